"""One texture: whether it decodes, and whether its colours are those of its patches."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.core.config import FORMATS, MAX_SIZE
from texgen.core.errors import DatasetError
from texgen.core.layout import INDEX
from texgen.core.types import Pixels

LOSSLESS = ("png", "webp")
_PILLOWS = {"png": "PNG", "webp": "WEBP", "jpg": "JPEG"}

_own = threading.local()


@dataclass(frozen=True, slots=True)
class Settings:
    """The fields of `DatasetConfig` that pixels depend on, each in its range."""

    size: int
    patch_size: int
    small_patch_size: int
    max_pixels: int
    format: str
    quality: int | None
    limit: int | None


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings in a card.

    Raises:
        DatasetError: If one is missing, or none that a build takes.
    """
    image_format = config["format"]
    if image_format not in FORMATS:
        raise DatasetError(_message("format", image_format))
    return Settings(
        size=_integer(config, "size", MAX_SIZE),
        patch_size=_integer(config, "patch_size"),
        small_patch_size=_integer(config, "small_patch_size"),
        max_pixels=_integer(config, "max_pixels"),
        format=image_format,
        quality=_integer(config, "quality", 100) if image_format == "jpg" else None,
        limit=None if config.get("limit") is None else _integer(config, "limit"),
    )


def _integer(config: Mapping[str, Any], name: str, most: int | None = None) -> int:
    value = config.get(name)
    if type(value) is not int or value < 1 or (most is not None and value > most):
        raise DatasetError(_message(name, value))
    return value


def _message(name: str, value: object) -> str:
    return f"{INDEX}: config {name} is {value!r}, which no build takes"


def decode_texture(data: bytes, settings: Settings) -> Pixels:
    """The pixels of an encoded texture, (size, size, 3) uint8.

    Raises:
        DatasetError: If it does not decode, or is no RGB square of the data set's size; a
            phrase that follows the texture's name.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[_PILLOWS[settings.format]]) as image:
            # Asked before its pixels are decoded: those of a false size may be very many.
            _check_form(image, settings.size)
            return np.asarray(image)
    except (DatasetError, MemoryError):
        raise
    except Exception as error:
        message = f"does not decode ({type(error).__name__}: {error})"
        raise DatasetError(message) from error


def _check_form(image: Image.Image, size: int) -> None:
    if image.size != (size, size) or image.mode != "RGB":
        found = f"{image.width}x{image.height} px {image.mode}"
        message = f"is {found}, not {size}x{size} px RGB"
        raise DatasetError(message)


def foreign_pixels(texture: Pixels, patches: Sequence[Pixels]) -> int:
    """Pixels of a texture whose colour occurs in none of the patches."""
    seen = _table()
    colours = [_codes(patch) for patch in patches]
    for codes in colours:
        seen[codes] = True
    own = int(np.count_nonzero(seen[_codes(texture)]))
    # All of it would take longer to clear than the rest takes.
    for codes in colours:
        seen[codes] = False
    return int(texture.shape[0]) * int(texture.shape[1]) - own


def _table() -> NDArray[np.bool_]:
    """A flag a colour, all False; 16 MiB, one a thread."""
    table: NDArray[np.bool_] | None = getattr(_own, "table", None)
    if table is None:
        table = _own.table = np.zeros(1 << 24, np.bool_)
    return table


def _codes(image: Pixels) -> NDArray[np.uint32]:
    """24-bit numbers of the pixels' colours."""
    codes = np.zeros(image.shape[0] * image.shape[1], np.uint32)
    for channel in range(3):
        codes <<= 8
        codes |= image[..., channel].ravel()
    return codes
