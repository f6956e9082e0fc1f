"""The script that measures a card, on Mesa's software one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_source

ROOT = Path(__file__).parents[2]
SMALL = ("--software", "--pairs", "2", "--size", "32", "--files", "16", "--steps", "2")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("images") / "train", {"ant": 2, "bee": 2})


def part(name: str, images: Path, out: Path, **variables: str) -> Any:
    line = [sys.executable, ROOT / "benchmarks" / "gpu", images, out, *SMALL, "--part", name]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        line, stdout=subprocess.PIPE, text=True, check=True, timeout=300, env=environment
    )
    return json.loads(done.stdout)


def test_a_machine_without_vulkan_is_told_what_is_missing(images: Path, tmp_path: Path) -> None:
    none = str(tmp_path / "none.json")
    found = part("device", images, tmp_path, VK_ICD_FILENAMES=none, VK_DRIVER_FILES=none)
    assert "no GPU" in found["no device"]
    assert "device" not in found


@pytest.mark.usefixtures("gpu")
def test_textures_of_a_card_are_compared_with_the_processors(images: Path, tmp_path: Path) -> None:
    assert part("identity", images, tmp_path) == {"textures": 2, "size": 32, "differ": 0}


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans")
def test_the_script_measures_everything_and_says_so(images: Path, gpu: str, tmp_path: Path) -> None:
    line = ["bash", ROOT / "benchmarks" / "gpu.sh", images, tmp_path / "out", *SMALL]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=1800, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "out" / "gpu.json").read_text())["parts"]
    assert parts["device"]["device"] == gpu
    assert parts["identity"]["textures"] == 2
    assert min(parts["rates"]["textures_per_s"].values()) > 0
    assert min(parts["build"][device]["seconds"] for device in ("gpu", "cpu")) > 0
    runs = {**parts["training"]["runs"], **parts["ranks"]["runs"]}
    assert list(runs) == [
        "none", "none, AMP", "none, AMP, compile", "built", "fresh, processors",
        "fresh, card", "2 ranks, gloo",
    ]  # fmt: skip
    assert min(run["images_per_s"] for run in runs.values()) > 0
    assert gpu in done.stdout
