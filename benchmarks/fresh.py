"""Measures what a texture costs that is made while training runs, and where its time goes.

For each size, in turn over several rounds, each way of making the same textures:

- ``TextureNegative``: the whole path, from a PIL image to a PIL image.
- ``texgen.synthesize``: from patches that are cut already.
- ``engine process``: the same without the pool's thread; the worker's own times are of this way.
- ``without synthesis``: `TextureNegative` with the engine ``stub``, which copies pixels.
- ``patches``: seed and patches alone, without an engine.

A row has the wall clock of a texture (median of the rounds' medians, and their range), and the
processor time of both processes, each texture after the other, so that one core is at work.

    python benchmarks/fresh.py IMAGES [--sizes 64,96,224] [--textures 100] [--rounds 5]
    python benchmarks/fresh.py IMAGES --loaders 0,1,2    # textures a second of DataLoaders
    python benchmarks/fresh.py PACS/photo --train OUT     # images a second of texgen train
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import texgen
from texgen.core.seeds import texture_seed
from texgen.synthesis.engine_spec import EngineSpec
from texgen.synthesis.process import EngineProcess, running_engine
from texgen.synthesis.protocol import STEPS, Job, Texture
from texgen.synthesis.shared_pools import close_pools

RECIPE = Path(__file__).parents[1] / "pipelines" / "train" / "pacs.toml"
Make = Callable[[int], object]


@dataclass
class Measured:
    """Times of one way, in ms: a median of each round, and the processor time of all."""

    wall: list[float] = field(default_factory=list)
    core: list[float] = field(default_factory=list)

    def line(self) -> str:
        """Medians and ranges."""
        wall, core = sorted(self.wall), sorted(self.core)
        return (
            f"{statistics.median(wall):8.2f} ({wall[0]:.2f} to {wall[-1]:.2f})"
            f"{statistics.median(core):10.2f} ({core[0]:.2f} to {core[-1]:.2f})"
        )


def main() -> None:
    """Reads the command line and prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--sizes", default="64,96,224")
    parser.add_argument("--textures", type=int, default=100, help="textures of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loaders", help="numbers of loader processes")
    parser.add_argument("--train", metavar="OUT", help="textures that were built of IMAGES")
    parser.add_argument("--steps", type=int, default=40, help="steps of each run of --train")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    if given.train:
        training(given.images, given.train, given.steps, given.rounds)
        return
    pictures = read(given.images, given.textures)
    for size in sizes:
        if given.loaders:
            loading(pictures, size, [int(n) for n in given.loaders.split(",")], given.rounds)
        else:
            single(pictures, size, given.rounds)
        close_pools()


def read(folder: Path, count: int) -> list[Image.Image]:
    """Returns as many images, decoded; some of them twice if there are fewer."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpeg", ".jpg", ".png"})
    return [Image.open(files[i % len(files)]).convert("RGB") for i in range(count)]


def single(pictures: Sequence[Image.Image], size: int, rounds: int) -> None:
    """Compares the ways of making a texture."""
    negative = texgen.TextureNegative(size)
    answers: list[Texture] = []
    started = time.perf_counter()
    for i in range(4):  # Both schedules are made then.
        negative(pictures[i], i)
    first = (time.perf_counter() - started) * 1e3
    with running_engine(EngineSpec("fast")) as engine:
        ways = ways_of_making(negative, pictures, engine, answers)
        found = {name: Measured() for name in ways}
        for make in ways.values():
            for i in range(4):
                make(i)
        answers.clear()
        for _ in range(rounds):
            for name, make in ways.items():
                one_round(make, len(pictures), found[name])
    print(f"{size} px from {negative.patch_size} px patches, {len(pictures)} textures x {rounds}")
    print(f"  {'ms a texture':20}{'wall clock':>18}{'processors':>18}")
    for name, measured in found.items():
        print(f"  {name:20}{measured.line()}")
    parts = {step: statistics.median(getattr(a, step) * 1e3 for a in answers) for step in STEPS}
    print("  the worker says: " + ", ".join(f"{k[:-2]} {v:.2f}" for k, v in parts.items()))
    print(f"  the first four textures of a process, with its start: {first:.0f} ms")


def ways_of_making(
    negative: texgen.TextureNegative,
    pictures: Sequence[Image.Image],
    engine: EngineProcess,
    answers: list[Texture],
) -> dict[str, Make]:
    """The ways to make the texture of an image by its number; see the module."""
    size = negative.size
    stub = texgen.TextureNegative(size, engine="stub")
    sides = {"patch_size": negative.patch_size, "small_patch_size": negative.small_patch_size}
    seeds = [texture_seed(0, str(i), 0) for i in range(len(pictures))]
    pairs = [
        texgen.sample_patches(np.asarray(picture), seed, **sides)
        for picture, seed in zip(pictures, seeds, strict=True)
    ]
    cut = [(pair.center, pair.random) for pair in pairs]
    return {
        "TextureNegative": lambda i: negative(pictures[i], i),
        "texgen.synthesize": lambda i: texgen.synthesize(cut[i], size, seeds[i]),
        "engine process": lambda i: answers.append(
            engine.ask(Job("", cut[i], size, seeds[i], wants_raw=True), 120)
        ),
        "without synthesis": lambda i: stub(pictures[i], i),
        "patches": lambda i: negative.job(pictures[i], i, 0),
    }


def one_round(make: Make, count: int, measured: Measured) -> None:
    """Makes ``count`` textures, one after the other, and adds their times."""
    times = []
    before = core_s()
    for i in range(count):
        started = time.perf_counter()
        make(i)
        times.append((time.perf_counter() - started) * 1e3)
    measured.wall.append(statistics.median(times))
    measured.core.append((core_s() - before) * 1e3 / count)


def core_s() -> float:
    """Processor time of this process and its engines; the system counts it in steps of 10 ms."""
    used = [one.cpu_times() for one in psutil.Process().children()]
    return time.process_time() + sum(float(times.user + times.system) for times in used)


class Textures(Dataset[np.ndarray]):
    """A data set of fresh textures."""

    def __init__(self, pictures: Sequence[Image.Image], size: int) -> None:
        self.pictures = pictures
        self.negative = texgen.TextureNegative(size)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns a texture, (size, size, 3) uint8."""
        return np.array(self.negative(self.pictures[index], index))


def loading(
    pictures: Sequence[Image.Image], size: int, workers: Sequence[int], rounds: int
) -> None:
    """Prints the textures a second of loaders with warm processes."""
    data = Textures(pictures, size)
    for count in workers:
        loader: DataLoader[np.ndarray] = DataLoader(
            data, 8, num_workers=count, persistent_workers=count > 0
        )
        list(loader)
        rates = []
        for _ in range(rounds):
            started = time.perf_counter()
            list(loader)
            rates.append(len(data) / (time.perf_counter() - started))
        print(
            f"{size} px, {count} loader processes: {statistics.median(rates):.1f} textures a "
            f"second ({min(rates):.1f} to {max(rates):.1f})"
        )


def training(src: Path, textures: str, steps: int, rounds: int) -> None:
    """Prints the images a second of texgen train without NS, with built and with fresh textures."""
    built = json.loads((Path(textures) / "index.json").read_text())["config"]
    fresh = ["--texture-size", str(built["size"]), "--patch-size", str(built["patch_size"])]
    kinds = {
        "none": ["--negatives", "none"],
        "built": ["--negatives", "texture", "--textures", textures],
        "fresh": ["--negatives", "texture", "--fresh", *fresh],
    }
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    shares: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, options in kinds.items():
            for row in run(src, options, steps)[1:]:  # The first has the start of the loaders.
                rates[name].append(row["images_per_s"])
                shares[name].append(row["data_share"])
    for name in kinds:
        print(
            f"{name:6} {statistics.median(rates[name]):.1f} images a second "
            f"({min(rates[name]):.1f} to {max(rates[name]):.1f}), "
            f"{100 * statistics.median(shares[name]):.0f} % of the time waiting for data"
        )


def run(src: Path, options: Sequence[str], steps: int) -> list[dict[str, float]]:
    """Trains some steps of pacs.toml, and returns the rows of metrics."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        line = [sys.executable, "-m", "texgen", "train", "--config", str(RECIPE), "--quiet"]
        line += ["--src", str(src), "--out", str(out), "--max-steps", str(steps)]
        line += ["--log-every", str(max(1, steps // 4)), *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=environment)
        lines = (out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(one) for one in lines]


if __name__ == "__main__":
    main()
