"""Checks a single texture: whether it decodes, and whether its colours occur in its patches."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from texgen.core.config import FORMATS, MAX_SIZE
from texgen.core.errors import DatasetError
from texgen.core.layout import INDEX
from texgen.core.types import Pixels
from texgen.synthesis.patches import PatchRule

LOSSLESS = ("png", "webp")
_PILLOW_FORMATS = {"png": "PNG", "webp": "WEBP", "jpg": "JPEG"}

_thread_state = threading.local()


@dataclass(frozen=True, slots=True)
class TextureSettings:
    """Fields of `DatasetConfig` that pixels depend on, each in its range."""

    size: int
    rule: PatchRule
    max_pixels: int
    format: str
    quality: int | None
    limit: int | None


def read_settings(config: Mapping[str, Any]) -> TextureSettings:
    """Reads the settings in `Index.config`.

    Raises:
        DatasetError: If one is missing, or no build accepts it.
    """
    image_format = config["format"]
    if image_format not in FORMATS:
        raise DatasetError(_invalid("format", image_format))
    return TextureSettings(
        size=_integer(config, "size", MAX_SIZE),
        rule=PatchRule(_integer(config, "patch_size"), _integer(config, "small_patch_size")),
        max_pixels=_integer(config, "max_pixels"),
        format=image_format,
        quality=_integer(config, "quality", 100) if image_format == "jpg" else None,
        limit=None if config.get("limit") is None else _integer(config, "limit"),
    )


def _integer(config: Mapping[str, Any], name: str, most: int | None = None) -> int:
    value = config.get(name)
    if type(value) is not int or value < 1 or (most is not None and value > most):
        raise DatasetError(_invalid(name, value))
    return value


def _invalid(name: str, value: object) -> str:
    return f"{INDEX}: config {name} is {value!r}, which no build accepts"


def decode_texture(data: bytes, settings: TextureSettings) -> Pixels:
    """Returns the pixels of an encoded texture, (size, size, 3) uint8.

    Raises:
        DatasetError: If it does not decode, or is not an RGB square of the data set's size. The
            message is a phrase that follows the texture's name.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[_PILLOW_FORMATS[settings.format]]) as image:
            # The size is checked before decoding: a wrong one may stand for very many pixels.
            _check_size_and_mode(image, settings.size)
            return np.asarray(image)
    except (DatasetError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        # Pillow's own text ends with the address of an object, which differs from run to run.
        raise DatasetError(
            "does not decode (UnidentifiedImageError: cannot identify image file)"
        ) from error
    except Exception as error:
        raise DatasetError(f"does not decode ({type(error).__name__}: {error})") from error


def _check_size_and_mode(image: Image.Image, size: int) -> None:
    if image.size != (size, size) or image.mode != "RGB":
        raise DatasetError(
            f"is {image.width}x{image.height} px {image.mode}, not {size}x{size} px RGB"
        )


def foreign_pixels(texture: Pixels, patches: Sequence[Pixels]) -> int:
    """Counts the pixels of a texture whose colour occurs in none of the patches."""
    in_patches = _colour_flags()
    patch_colours = [_colour_codes(patch) for patch in patches]
    for codes in patch_colours:
        in_patches[codes] = True
    own = int(np.count_nonzero(in_patches[_colour_codes(texture)]))
    # Clearing the whole table would take longer than all the rest.
    for codes in patch_colours:
        in_patches[codes] = False
    return int(texture.shape[0]) * int(texture.shape[1]) - own


def _colour_flags() -> NDArray[np.bool_]:
    """Returns a flag per 24-bit colour, all False; each thread has its own table of 16 MiB."""
    flags: NDArray[np.bool_] | None = getattr(_thread_state, "flags", None)
    if flags is None:
        flags = _thread_state.flags = np.zeros(1 << 24, np.bool_)
    return flags


def _colour_codes(image: Pixels) -> NDArray[np.uint32]:
    """Returns the pixels' colours as 24-bit numbers."""
    codes = np.zeros(image.shape[0] * image.shape[1], np.uint32)
    for channel in range(3):
        codes <<= 8
        codes |= image[..., channel].ravel()
    return codes
