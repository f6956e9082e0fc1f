"""Measures what a build costs outside synthesis: core-milliseconds an image, memory, start-up.

Builds from images under several names (hard links), once from few and once from many, and takes
the slope, so that start-up does not count. With an engine other than the stub, the wall clock of
its schedules and synthesis in the records is subtracted, and the share of busy processors in the
steady state is printed too. Processor time is that of every process of a build, Ray's own
included, as the kernel counts it at their end (in a control group if one can be created, else by
sampling ten times a second).

    python benchmarks/overhead.py SRC [--few 240] [--many 2400] [--repeat 3] [--engine stub]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from watch import Run, watched

from texgen.core.layout import RECORDS
from texgen.dataset.records import read_shard_record
from texgen.storage import Sink

RUNNERS = {"no-ray": ["--no-ray"], "ray": []}


def main() -> None:
    """Reads the command line and prints a line for each way to run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path)
    parser.add_argument("--few", type=int, default=240)
    parser.add_argument("--many", type=int, default=2400)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engine", default="stub")
    arguments = parser.parse_args()
    images = sorted(p for p in arguments.src.rglob("*") if p.is_file())
    with tempfile.TemporaryDirectory(dir=arguments.src.parent) as folder:
        few = link(images, Path(folder) / "few", arguments.few)
        many = link(images, Path(folder) / "many", arguments.many)
        both = (few, many)
        for name, runner in RUNNERS.items():
            pairs = [
                tuple(build(src, folder, [*runner, "--engine", arguments.engine]) for src in both)
                for _ in range(arguments.repeat)
            ]
            report(name, pairs, arguments.many - arguments.few)


def link(images: list[Path], root: Path, count: int) -> Path:
    """Creates a split of ``count`` differently named images in classes of 40."""
    for index in range(count):
        source = images[index % len(images)]
        folder = root / "train" / f"class{index // 40:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        os.link(source, folder / f"image{index:06d}{source.suffix}")
    return root


def build(src: Path, folder: str, options: list[str]) -> tuple[Run, float]:
    """Builds once; returns the run, and the seconds that its engines spent on synthesis."""
    out = Path(folder) / "out"
    command = [sys.executable, "-m", "texgen", "build", "--src", str(src), "--out", str(out)]
    process = subprocess.Popen([*command, "--quiet", *options], stdout=subprocess.DEVNULL)
    run = watched(process)
    sink = Sink(out)
    timings = [read_shard_record(sink.open(path)).timings for path in sink.list(RECORDS)]
    shutil.rmtree(out)
    return run, sum(spent.schedule_s + spent.synthesis_s for spent in timings)


def report(name: str, pairs: list[tuple[tuple[Run, float], ...]], images: int) -> None:
    """Prints medians and ranges."""
    cpu_s = [many.cpu_s - few.cpu_s for (few, _), (many, _) in pairs]
    wall_s = [many.wall_s - few.wall_s for (few, _), (many, _) in pairs]
    synthesis_s = [many - few for (_, few), (_, many) in pairs]
    outside = [cpu - engine for cpu, engine in zip(cpu_s, synthesis_s, strict=True)]
    processors = len(os.sched_getaffinity(0))
    print(f"{name}, {len(pairs)} pairs, medians (ranges) of slopes")
    for what, seconds in (("all", cpu_s), ("synthesis", synthesis_s), ("outside", outside)):
        print(f"  {what}: {spread([1000 * s / images for s in seconds])} core-ms an image")
    print(f"  wall clock: {spread([1000 * s / images for s in wall_s])} ms an image")
    busy = [100 * cpu / wall / processors for cpu, wall in zip(cpu_s, wall_s, strict=True)]
    print(f"  processors busy: {spread(busy)} %")
    for kind in ("driver", "task", "engine"):
        few_mb = max(few.peak_mb[kind] for (few, _), _ in pairs)
        many_mb = max(many.peak_mb[kind] for _, (many, _) in pairs)
        print(f"  peak of a {kind}: {few_mb:.0f} MB with few, {many_mb:.0f} MB with many")
    first = sorted(run.first_s for pair in pairs for run, _ in pair)
    print(f"  an engine at work after {first[0]:.1f} to {first[-1]:.1f} s", flush=True)


def spread(values: list[float]) -> str:
    """Median and range, as text."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
