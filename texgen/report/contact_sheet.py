"""Contact sheets: textures, beside the images and patches that they were made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from texgen.core.types import Geometry, Pixels
from texgen.synthesis.patches import Patches

HEIGHT = 224
"""Height of a strip, px."""

CENTER_COLOUR = "#ffd400"
RANDOM_COLOUR = "#00c8ff"
"""Colours of the patches' frames. The random one is also dashed, for colour-blind readers."""

_GAP = 12
_LINE = 3
_DASH = 12
_FRAMES = ((CENTER_COLOUR, 0), (RANDOM_COLOUR, _DASH))
_CAPTION = 20
_MAX_WIDTH = 2 * HEIGHT
_COLUMNS = 6
_INK = "#1a1a1a"
_FAINT = "#5f5f5f"


@dataclass(frozen=True, slots=True)
class SheetTexture:
    """A texture on a sheet.

    Attributes:
        caption: Key of the texture.
        texture: The texture, RGB.
        original: Image, (H, W, 3) uint8, and patches that it was made of; None shows the texture
            alone.
    """

    caption: str
    texture: Image.Image
    original: tuple[Pixels, Patches] | None = None


def draw_sheet(textures: Sequence[SheetTexture]) -> Image.Image:
    """Draws a contact sheet.

    Textures with images stand one below the other, textures without in rows of at most six.

    Args:
        textures: One or more textures; all with images, or all without.
    """
    strips = [_strip(texture) for texture in textures]
    widths = [max(strip[i].width for strip in strips) for i in range(len(strips[0]))]
    titled = len(widths) > 1
    columns = 1 if titled else min(_COLUMNS, math.ceil(math.sqrt(len(strips))))
    cell = (sum(widths) + _GAP * len(widths), HEIGHT + _CAPTION + _GAP)
    first_row = _GAP + (_CAPTION if titled else 0)
    size = (_GAP + cell[0] * columns, first_row + cell[1] * math.ceil(len(strips) / columns))
    page = Image.new("RGB", size, "white")
    for number, (texture, strip) in enumerate(zip(textures, strips, strict=True)):
        row, column = divmod(number, columns)
        left, top = _GAP + column * cell[0], first_row + row * cell[1]
        _write(page, (left, top + HEIGHT + 3), texture.caption, cell[0] - _GAP, _FAINT)
        for width, image in zip(widths, strip, strict=True):
            page.paste(image, (left, top))
            left += width + _GAP
    if titled:
        left = _GAP
        for width, title in zip(widths, ("image", "patches", "texture"), strict=True):
            _write(page, (left, _GAP - 4), title, width, _INK)
            left += width + _GAP
    return page


def _strip(entry: SheetTexture) -> list[Image.Image]:
    """Image with the patches' frames, both patches, texture; or the texture alone."""
    texture = _fitted(entry.texture)
    if entry.original is None:
        return [texture]
    pixels, patches = entry.original
    return [_framed(pixels, patches.boxes), _stack(patches), texture]


def _framed(pixels: Pixels, boxes: Geometry) -> Image.Image:
    """The image with the frames of its patches."""
    image = Image.fromarray(pixels)
    scale = min(HEIGHT / image.height, _MAX_WIDTH / image.width)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    view = image.resize(size, Image.Resampling.LANCZOS)
    for corner, (colour, dash) in zip((boxes.center, boxes.random), _FRAMES, strict=True):
        (left, right), (top, bottom) = (
            _edges(begin * scale, boxes.side * scale, length)
            for begin, length in zip(corner, view.size, strict=True)
        )
        _draw_frame(view, (left, top, right, bottom), colour, dash)
    return view


def _edges(begin: float, side: float, length: int) -> tuple[int, int]:
    """Start and end of a frame: at least a pixel apart, even on a thin image drawn small."""
    first = min(round(begin), length - 1)
    return first, max(first + 1, round(begin + side))


def _stack(patches: Patches) -> Image.Image:
    """Both patches one above the other, in frames of their colours."""
    max_side = (HEIGHT - _GAP) // 2 - 2 * _LINE
    framed = []
    for patch, (colour, dash) in zip((patches.center, patches.random), _FRAMES, strict=True):
        view = Image.fromarray(patch)
        if view.width > max_side:
            view = view.resize((max_side, max_side), Image.Resampling.LANCZOS)
        frame = ImageOps.expand(view, _LINE)
        _draw_frame(frame, (0, 0, frame.width, frame.height), colour, dash)
        framed.append(frame)
    both = Image.new("RGB", (framed[0].width, HEIGHT), "white")
    both.paste(framed[0], (0, 0))
    both.paste(framed[1], (0, framed[0].height + _GAP))
    return both


def _draw_frame(image: Image.Image, box: tuple[int, int, int, int], colour: str, dash: int) -> None:
    """Draws a frame inside ``box``; ``dash`` above 0 adds black pieces."""
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = box
    draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=_LINE)
    for start, end in _dashes(right - left, dash):
        for y in (top, bottom - _LINE):
            draw.rectangle((left + start, y, left + end - 1, y + _LINE - 1), fill="black")
    for start, end in _dashes(bottom - top, dash):
        for x in (left, right - _LINE):
            draw.rectangle((x, top + start, x + _LINE - 1, top + end - 1), fill="black")


def _dashes(length: int, dash: int) -> Iterator[tuple[int, int]]:
    """Start and end of the black pieces of a side; its corners keep their colour."""
    if dash:
        for start in range(dash, length - dash, 2 * dash):
            yield start, min(start + dash // 2, length - _LINE)


def _fitted(image: Image.Image) -> Image.Image:
    """A square image at most `HEIGHT` px wide; smaller ones grow by whole factors, unsmoothed."""
    if image.width > HEIGHT:
        return image.resize((HEIGHT, HEIGHT), Image.Resampling.LANCZOS)
    factor = HEIGHT // image.width
    return image.resize((image.width * factor,) * 2, Image.Resampling.NEAREST)


def _write(page: Image.Image, place: tuple[int, int], text: str, width: int, colour: str) -> None:
    """Writes one line, without its middle if it would be wider than ``width``."""
    font = ImageFont.load_default(size=13)
    shown = text
    cut = len(text)
    while cut > 2 and font.getlength(shown) > width:
        cut -= 1
        shown = f"{text[: cut // 2]}…{text[len(text) - cut // 2 :]}"
    ImageDraw.Draw(page).text(place, shown, fill=colour, font=font)
