"""Fixtures of the tests of texgen/train, which need the extra ``train``."""

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
    """Six steps of the authors' MoCo model; the file is not part of the project."""
    if not ORACLE.is_file():
        pytest.skip("the numbers of the authors' model are not here")
    with np.load(ORACLE) as file:
        return dict(file)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 20 images in two classes, 40 px."""
    root = tmp_path_factory.mktemp("images")
    make_source(root / "train", {"ant": 12, "bee": 8}, (40, 40))
    return root


@pytest.fixture(scope="session")
def textures(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two textures of each image, 32 px."""
    out = tmp_path_factory.mktemp("textures") / "shards"
    sizes = ["--size", "32", "--patch-size", "16", "--small-patch-size", "16"]
    more = ["--textures-per-image", "2", "--samples-per-shard", "10", "--no-ray", "--quiet"]
    assert run(["build", "--src", str(image_folder), "--out", str(out), *sizes, *more]) == 0
    return out


@pytest.fixture(autouse=True)
def one_thread():
    """Adds in one order, and leaves the other processors to other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def coordinate_image(width: int, height: int) -> Image.Image:
    """Returns an image in which red is the column of a pixel, and green its row."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([columns, rows, columns * 0], -1).astype(np.uint8))
