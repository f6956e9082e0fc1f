"""`fast` makes what `embark` makes, on a few pairs; the whole check is benchmarks/parity."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Wider than the whole check's: three pairs cannot tell a difference of a tenth from chance.
BOUNDS = {
    "channel histogram": (0.75, 1.25),
    "log power spectrum": (0.75, 1.25),
    "gradient histogram": (0.75, 1.25),
    "9x9 to the nearest patch": (0.8, 1.25),
    "15x15 to the nearest patch": (0.8, 1.25),
    "coherent pairs": (0.97, 1.03),
    "mean island": (0.7, 1.4),
    "lone pixels": (0.75, 1.35),
    "mirrored fit of lone pixels": (0.9, 1.1),
    "source pixels used": (0.8, 1.25),
    "share of the larger part": (0.9, 1.1),
}

Ratios = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def ratios(tmp_path_factory: pytest.TempPathFactory) -> Ratios:
    """Each figure's ratio to embark, for `fast` and for variants that are known to differ."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not here")
    work = tmp_path_factory.mktemp("parity")
    image_source = work / "images"
    gather = [sys.executable, ROOT / "pipelines" / "demo_images.py", image_source]
    subprocess.run(gather, check=True)
    command = [sys.executable, ROOT / "benchmarks" / "parity", image_source, "--work", work]
    command += ["--pairs", "3", "--textures", "4", "--size", "128", "--known-bad", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=False)
    return {
        name: {row["figure"]: row["ratio"] for row in comparison["figures"]}
        for name, comparison in json.loads(done.stdout)["comparisons"].items()
    }


def outside(ratios: dict[str, float]) -> set[str]:
    return {name for name, (low, high) in BOUNDS.items() if not low <= ratios[name] <= high}


pytestmark = [pytest.mark.whole, pytest.mark.integration]


def test_fast_is_like_embark_in_every_figure(ratios: Ratios) -> None:
    assert outside(ratios["fast"]) == set()


def test_fewer_random_candidates_are_told_by_the_islands(ratios: Ratios) -> None:
    assert {"mean island", "lone pixels"} <= outside(ratios["25 random candidates"])


def test_upright_random_candidates_are_told_by_lone_pixels(ratios: Ratios) -> None:
    told = {"lone pixels", "mirrored fit of lone pixels", "source pixels used"}
    assert told <= outside(ratios["upright random candidates"])
