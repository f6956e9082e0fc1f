"""The programs in benchmarks/ run, on as little as they take; what they measure is not looked at.

`gpu.sh` and `parity` have tests of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builds import request
from texgen.build import SilentMonitor, build

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LINES = (
    "archives.py --images 2000",
    "cluster.py --nodes 2 --slots 1 --tasks 20 --seconds 0.2",
    "downloading.py --shards 2 --megabytes 1 --repeat 1",
    "engines.py IMAGES --engine stub --limit 2 --repeat 1",
    "fresh.py IMAGES --sizes 16 --textures 4 --rounds 1",
    "fresh.py IMAGES --sizes 16 --textures 2 --rounds 1 --loaders 1",
    "overhead.py IMAGES --few 4 --many 8 --repeat 1",
    "reading.py OUT --repeat 1 --rows 100",
    "s3_requests.py --images 4 --rows 2",
    "scale.py --images 1100",
    "training.py --src IMAGES --textures OUT --pairs 1 --size 16",
)


ELSEWHERE = {"pacs_runs.py", "simulate_scale.py", "watch.py", "compare.py"}
"""The first two have tests of their own, the third is no program, the last needs two checkouts."""


def test_every_benchmark_is_run_or_named() -> None:
    run = {line.split()[0] for line in LINES}
    assert run | ELSEWHERE == {path.name for path in BENCHMARKS.glob("*.py")}


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory, image_source: Path) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    build(request(image_source, out), SilentMonitor())
    return out


@pytest.mark.integration
@pytest.mark.parametrize("line", LINES)
def test_a_benchmark_runs(line: str, image_source: Path, textures: Path) -> None:
    given = {"IMAGES": str(image_source), "OUT": str(textures)}
    words = [given.get(word, word) for word in line.split()]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / words[0]), *words[1:]],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # An error in a thread does not end a program.
    assert "Traceback" not in done.stderr
    assert done.stdout
