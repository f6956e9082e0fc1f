"""Compares the speed of two commits of texgen, which take turns at the same work.

    python benchmarks/compare.py OLD NEW --src IMAGES [--images 1331200] [--repeat 3] [--folder F]

OLD and NEW are checkouts, each with texgen installed in its ``.venv``. Both read the same names,
plan, records, shards and server, so that a measurement differs in the code alone, and they
alternate, so that other load of the machine affects both. For each measurement the script prints
the medians, and the median and range of NEW's time divided by OLD's in the same turn: 1.05 means
that NEW is 5 % slower.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import downloading
import overhead
import scale
from watch import watched

Measurement = Callable[[Path], dict[str, float]]
"""Measures a checkout; returns seconds by the name of what took them."""

READING = """
import json, random, sys, time
started = time.perf_counter()
from texgen import TextureStore
imported = time.perf_counter()
store = TextureStore(sys.argv[1])
order = random.Random(0).sample(range(len(store)), len(store))
keys = [store.key(position) for position in order]
spent = {}
for name, places in (("by key", keys), ("by position", order)):
    for place in places:
        store.read(place)
    begun = time.perf_counter()
    for _ in range(50):
        for place in places:
            store.read(place)
    spent[f"TextureStore, 50 times all textures {name}"] = time.perf_counter() - begun
print(json.dumps({"import of TextureStore": imported - started, **spent}))
"""
OPENING = """
import json, sys, time
started = time.perf_counter()
from texgen import TextureStore
store = TextureStore(sys.argv[1])
assert store.key(0) in store
spent = time.perf_counter() - started
print(json.dumps({"TextureStore imported and a large manifest opened": spent}))
"""


def main() -> None:
    """Reads the command line, prepares what both checkouts work on, and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--src", type=Path, required=True, help="folder of images for real builds")
    parser.add_argument("--images", type=int, default=2600 * scale.ROWS)
    parser.add_argument("--repeat", type=int, default=3, help="turns of each measurement")
    parser.add_argument("--folder", type=Path, help="where all of it goes")
    parser.add_argument("--only", default="", help="part of the names of the measurements to take")
    arguments = parser.parse_args()
    checkouts = (arguments.old.resolve(), arguments.new.resolve())
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        makers = (starting, scaling, reading, downloads, building)
        for make in makers:
            if arguments.only not in make.__name__:
                continue
            with make(Path(folder), checkouts[0], arguments) as measure:
                compare(checkouts, measure, arguments.repeat)


def compare(checkouts: tuple[Path, Path], measure: Measurement, repeat: int) -> None:
    """Prints the times of both checkouts and their ratio, after one turn that does not count."""
    turns = []
    for turn in range(repeat + 1):
        order = checkouts if turn % 2 else checkouts[::-1]
        measured = {checkout: measure(checkout) for checkout in order}
        turns += [[measured[checkout] for checkout in checkouts]] if turn else []
    for name in turns[0][0]:
        old, new = ([turn[side][name] for turn in turns] for side in (0, 1))
        ratios = sorted(b / a for a, b in zip(old, new, strict=True))
        print(
            f"{name}: {statistics.median(old):.3f} s, {statistics.median(new):.3f} s, ratio "
            f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})",
            flush=True,
        )


@contextmanager
def starting(_folder: Path, _old: Path, _arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Start-up of the command line."""

    def measure(checkout: Path) -> dict[str, float]:
        lines = {"--version": ["--version"], "build --help": ["build", "--help"]}
        return {f"texgen {name}": used(checkout, *line)[0] for name, line in lines.items()}

    yield measure


@contextmanager
def scaling(folder: Path, old: Path, arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Planning, resuming with one shard left, and a complete build, of many images."""
    src, out = folder / "src", folder / "scaled"
    scale.name_files(src, arguments.images)
    # OLD's own script makes up what is built already, so that NEW resumes a build of OLD's.
    script = (
        "import sys; sys.path.insert(0, 'benchmarks'); import scale; from pathlib import Path; "
        "scale.make_up(Path(sys.argv[1]), Path(sys.argv[2]), 1)"
    )
    subprocess.run([python(old), "-c", script, src, out], cwd=old, check=True)
    records = set((out / "_build/records").iterdir())
    build = ["build", "--src", src, "--out", out, "--engine", "stub", "--no-ray", "--quiet",
             "--name", scale.NAME, "--max-failures", "100%"]  # fmt: skip

    def measure(checkout: Path) -> dict[str, float]:
        for record in set((out / "_build/records").iterdir()) - records:
            record.unlink()
        (out / "index.json").unlink(missing_ok=True)
        return {
            f"{name}, {unit}": seconds
            for name, line in {
                "plan": ["plan", "--src", src, "--engine", "stub", "--json"],
                "resume": build,
                "complete build": build,
            }.items()
            for unit, seconds in zip(("core-s", "wall clock"), used(checkout, *line), strict=True)
        }

    yield measure


@contextmanager
def reading(folder: Path, old: Path, arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Random access to a small data set, and the opening of a large manifest."""
    small, large = folder / "small", folder / "large"
    used(old, "build", "--src", arguments.src, "--out", small, "--engine", "stub", "--quiet",
         "--no-ray")  # fmt: skip
    script = (
        "import sys; sys.path.insert(0, 'benchmarks'); import reading; from pathlib import Path; "
        "reading.make_up(Path(sys.argv[1]), int(sys.argv[2]))"
    )
    subprocess.run([python(old), "-c", script, large, str(arguments.images)], cwd=old, check=True)

    def measure(checkout: Path) -> dict[str, float]:
        return printed(checkout, READING, small) | printed(checkout, OPENING, large)

    yield measure


@contextmanager
def downloads(folder: Path, _old: Path, _arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Downloads over loopback."""
    root, target = folder / "set", folder / "download"
    downloading.make_up(root, 40, 32_000_000)
    with downloading.served(root) as (url, server):

        def measure(checkout: Path) -> dict[str, float]:
            spent = {}
            for workers in ("1", "8"):
                line = ["download", url, "--out", target, "--quiet", "--workers", workers]
                name = f"download of 1.28 GB from {server}, {workers} at once"
                spent[f"{name}, core-s"], spent[f"{name}, wall clock"] = used(checkout, *line)
                shutil.rmtree(target)
            return spent

        yield measure


@contextmanager
def building(folder: Path, _old: Path, arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Whole builds with the stub engine; the slope is what an image costs outside synthesis."""
    images = sorted(p for p in arguments.src.rglob("*") if p.is_file())
    few, many = (240, 2400)
    sources = [overhead.link(images, folder / str(count), count) for count in (few, many)]
    out = folder / "built"

    def measure(checkout: Path) -> dict[str, float]:
        spent = {}
        for name, runner in overhead.RUNNERS.items():
            runs = []
            for src in sources:
                line = ["build", "--src", src, "--out", out, "--engine", "stub", "--quiet", *runner]
                runs.append(used(checkout, *line))
                shutil.rmtree(out)
            spent[f"{name}, core-s of a build of {few}"] = runs[0][0]
            spent[f"{name}, core-s of {many - few} further images"] = runs[1][0] - runs[0][0]
        return spent

    yield measure


def python(checkout: Path) -> str:
    """Path of a checkout's own Python."""
    return str(checkout / ".venv/bin/python")


def used(checkout: Path, *arguments: object) -> tuple[float, float]:
    """Runs a checkout's `texgen`; returns core-seconds and wall clock time in s."""
    line = [str(checkout / ".venv/bin/texgen"), *map(str, arguments)]
    run = watched(subprocess.Popen(line, stdout=subprocess.DEVNULL))
    return run.cpu_s, run.wall_s


def printed(checkout: Path, script: str, out: Path) -> dict[str, float]:
    """Runs a script by a checkout's Python; returns the JSON object that it prints."""
    line = [python(checkout), "-c", script, str(out)]
    # A folder without texgen in it, so that the installed one is imported.
    text = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, cwd="/").stdout
    return dict(json.loads(text))


if __name__ == "__main__":
    main()
