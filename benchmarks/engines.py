"""Measures core-seconds a texture and busy processors, for each engine on the same images.

    python benchmarks/engines.py SRC [--engine fast,embark] [--limit 40] [--repeat 3] [--ray]

The whole build counts: listing, decoding, encoding, shards and start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from watch import Run, watched


def main() -> None:
    """Reads the command line and prints a line for each engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path)
    parser.add_argument("--engine", default="fast,embark,embark-cli")
    parser.add_argument("--limit", type=int, default=40, help="images of each split")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ray", action="store_true")
    arguments = parser.parse_args()
    engines = arguments.engine.split(",")
    runs: dict[str, list[tuple[Run, int]]] = {engine: [] for engine in engines}
    # In turn, so that a machine whose speed drifts is as unfair to one as to the other.
    for _ in range(arguments.repeat):
        for engine in engines:
            runs[engine].append(build(arguments.src, engine, arguments.limit, arguments.ray))
    for engine in engines:
        report(engine, runs[engine])


def build(src: Path, engine: str, limit: int, ray: bool) -> tuple[Run, int]:
    """Builds once; returns the run and the number of textures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "texgen", "build", "--src", str(src), "--out", str(out)]
        command += ["--engine", engine, "--limit", str(limit), "--quiet"]
        command += [] if ray else ["--no-ray"]
        run = watched(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        index = json.loads((out / "index.json").read_text())
    return run, sum(split["textures"] for split in index["splits"].values())


def report(engine: str, runs: list[tuple[Run, int]]) -> None:
    """Prints medians and ranges."""
    costs = sorted(run.cpu_s / textures for run, textures in runs)
    busy = sorted(run.cpu_s / run.wall_s / len(os.sched_getaffinity(0)) for run, _ in runs)
    print(
        f"{engine}: {statistics.median(costs):.3f} core-s a texture "
        f"({costs[0]:.3f} to {costs[-1]:.3f}, {len(runs)} runs of {runs[0][1]} textures), "
        f"processors {100 * statistics.median(busy):.1f} % busy over the whole run "
        f"({100 * busy[0]:.1f} to {100 * busy[-1]:.1f})"
    )


if __name__ == "__main__":
    main()
