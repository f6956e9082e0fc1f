"""What a build costs outside the engine: core-milliseconds an image, memory, start-up.

Builds from photographs under other names (hard links) with the stub engine,
once from few and once from many, and takes the slope, so that start-up does
not count. Processor time is that of every process of a build, Ray's own
included, as the kernel counts it at their end (a control group where one can be
made, else by sampling ten times a second).

    python benchmarks/overhead.py SRC [--few 240] [--many 2400] [--repeat 3]
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

RUNNERS = {"no-ray": ["--no-ray"], "ray": []}


def main() -> None:
    """Reads the command line and prints a line for each way to run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path)
    parser.add_argument("--few", type=int, default=240)
    parser.add_argument("--many", type=int, default=2400)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    photographs = sorted(p for p in arguments.src.rglob("*") if p.is_file())
    with tempfile.TemporaryDirectory(dir=arguments.src.parent) as folder:
        few = link(photographs, Path(folder) / "few", arguments.few)
        many = link(photographs, Path(folder) / "many", arguments.many)
        for name, runner in RUNNERS.items():
            pairs = [
                (build(few, folder, runner), build(many, folder, runner))
                for _ in range(arguments.repeat)
            ]
            report(name, pairs, arguments.many - arguments.few)


def link(photographs: list[Path], root: Path, count: int) -> Path:
    """A split of ``count`` differently named photographs in classes of 40."""
    for index in range(count):
        source = photographs[index % len(photographs)]
        folder = root / "train" / f"class{index // 40:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        os.link(source, folder / f"image{index:06d}{source.suffix}")
    return root


def build(src: Path, folder: str, runner: list[str]) -> Run:
    """Builds once with the stub engine."""
    out = Path(folder) / "out"
    command = [sys.executable, "-m", "texgen", "build", "--src", str(src), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--engine", "stub", "--quiet", *runner], stdout=subprocess.DEVNULL
    )
    run = watched(process)
    shutil.rmtree(out)
    return run


def report(name: str, pairs: list[tuple[Run, Run]], images: int) -> None:
    """Prints medians and ranges."""
    slopes = [1000 * (many.cpu_s - few.cpu_s) / images for few, many in pairs]
    walls = [1000 * (many.wall_s - few.wall_s) / images for few, many in pairs]
    print(
        f"{name}: {statistics.median(slopes):.2f} core-ms an image "
        f"({min(slopes):.2f} to {max(slopes):.2f}, {len(slopes)} pairs), "
        f"{statistics.median(walls):.2f} ms of wall clock"
    )
    for kind in ("driver", "task", "engine"):
        few_mb = max(few.peak_mb[kind] for few, _ in pairs)
        many_mb = max(many.peak_mb[kind] for _, many in pairs)
        print(f"  peak of a {kind}: {few_mb:.0f} MB with few, {many_mb:.0f} MB with many")
    first = sorted(run.first_s for pair in pairs for run in pair)
    print(f"  an engine at work after {first[0]:.1f} to {first[-1]:.1f} s")


if __name__ == "__main__":
    main()
