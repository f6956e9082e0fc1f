from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texgen.core.errors import DatasetError, SourceError
from texgen.dataset.originals import OriginalImages
from texgen.dataset.reader import Dataset
from texgen.source import SourceSpec, open_source
from texgen.storage import Sink
from texgen.synthesis.patches import sample_patches


def opened(root: Path) -> OriginalImages:
    return OriginalImages(open_source(SourceSpec(str(root))))


def test_image_and_patches_are_those_of_the_build(finished, small_source):
    for _, row in Dataset(Sink(finished)).sample_textures(99):
        image, patches = opened(small_source).read(row)
        again = sample_patches(image, seed=row["seed"])
        assert np.array_equal(patches.center, again.center)
        assert np.array_equal(patches.random, again.random)
        assert patches.boxes == again.boxes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Path.unlink, "ant_000.JPEG .*name the SRC of the build"),
        (lambda path: path.write_bytes(b"text"), "image_unreadable.*restore the image"),
        (lambda path: Image.new("RGB", (9, 9)).save(path), "9 x 9 px.*had 50 x 40"),
    ],
)
def test_an_image_that_has_changed_is_named(tmp_path, finished, small_source, change, says):
    root = Path(shutil.copytree(small_source, tmp_path / "src"))
    change(root / "train" / "ant" / "ant_000.JPEG")
    row = Dataset(Sink(finished)).row("ant/ant_000")[1]
    with pytest.raises(SourceError, match=says):
        opened(root).read(row)


def test_a_row_without_places_is_no_texture_of_a_build(finished, small_source):
    row = Dataset(Sink(finished)).row("ant/ant_000")[1] | {"center_x": None}
    with pytest.raises(DatasetError, match="does not say where its patches lie"):
        opened(small_source).read(row)
