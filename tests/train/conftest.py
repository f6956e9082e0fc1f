"""Fixtures of the trainer's tests; torch is an extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import make_source
from texgen.cli.main import run

ORACLE = Path(__file__).parents[3] / "shared" / "oracles" / "moco_eq1.npz"


@pytest.fixture(scope="session")
def oracle() -> dict[str, np.ndarray]:
    """Six steps of the paper's authors' own MoCo model; not part of the project."""
    if not ORACLE.is_file():
        pytest.skip("the numbers of the authors' model are not here")
    with np.load(ORACLE) as file:
        return dict(file)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photographs in two classes, 40 px."""
    root = tmp_path_factory.mktemp("photographs")
    make_source(root / "train", {"ant": 12, "bee": 8}, (40, 40))
    return root


@pytest.fixture(scope="session")
def textures(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two textures of each, 32 px."""
    out = tmp_path_factory.mktemp("textures") / "shards"
    sizes = ["--size", "32", "--patch-size", "16", "--small-patch-size", "16"]
    more = ["--textures-per-image", "2", "--samples-per-shard", "10", "--no-ray", "--quiet"]
    assert run(["build", "--src", str(photographs), "--out", str(out), *sizes, *more]) == 0
    return out


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, and no fight for the processors with other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def picture(width: int, height: int) -> Image.Image:
    """Each pixel's red is its column and green its row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([columns, rows, columns * 0], -1).astype(np.uint8))
