from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from texgen.core.types import Geometry, Pixels
from texgen.report.contact_sheet import (
    CENTER_COLOUR,
    HEIGHT,
    RANDOM_COLOUR,
    SheetTexture,
    draw_sheet,
)
from texgen.synthesis.patches import Patches

TEXTURE = Image.new("RGB", (224, 224), "#123456")


def original(width: int = 400, height: int = 300, side: int = 96) -> tuple[Pixels, Patches]:
    grey = np.full((height, width, 3), 128, np.uint8)
    boxes = Geometry(width, height, side, ((width - side) // 2, (height - side) // 2), (0, 0))
    patch = np.full((side, side, 3), 128, np.uint8)
    return grey, Patches(patch, patch, boxes)


def count(image: Image.Image, colour: str) -> int:
    return int((np.asarray(image) == ImageColor.getrgb(colour)).all(axis=2).sum())


def test_textures_alone_stand_in_rows_of_at_most_six():
    one, many = (
        draw_sheet([SheetTexture("a", TEXTURE)]),
        draw_sheet([SheetTexture("a", TEXTURE)] * 60),
    )
    assert one.width < 2 * HEIGHT
    assert 6 * HEIGHT < many.width < 7 * HEIGHT
    assert 10 * HEIGHT < many.height < 13 * HEIGHT
    assert count(many, "#123456") == 60 * 224 * 224


def test_both_frames_are_drawn_where_the_patches_lie():
    sheet = draw_sheet([SheetTexture("a", TEXTURE, original())])
    assert count(sheet, CENTER_COLOUR) > count(sheet, RANDOM_COLOUR) > 0
    # The random frame is also dashed, so that frames differ in black and white.
    assert count(sheet, "#000000") > 100


def test_a_sheet_takes_images_of_every_shape():
    shapes = [(400, 300), (20, 12), (3000, 40), (1, 1), (40, 3000), (3000, 5), (5, 3000)]
    entries = [SheetTexture("a", TEXTURE, original(w, h, min(w, h, 96))) for w, h in shapes]
    sheet = draw_sheet(entries)
    assert sheet.width < 5 * HEIGHT
    assert len(shapes) * HEIGHT < sheet.height


@pytest.mark.parametrize("side", [1, 16, 150, 224, 512])
def test_a_texture_of_any_size_fits(side):
    sheet = draw_sheet([SheetTexture("a", Image.new("RGB", (side, side), "#123456"))])
    shown = np.argwhere((np.asarray(sheet) == ImageColor.getrgb("#123456")).all(axis=2))
    extent = np.ptp(shown, axis=0) + 1
    assert max(extent) <= HEIGHT
    assert min(extent) >= min(side, HEIGHT)


def test_a_long_key_is_cut_in_the_middle():
    long = draw_sheet([SheetTexture("k" * 500, TEXTURE)])
    assert long.size == draw_sheet([SheetTexture("k", TEXTURE)]).size
