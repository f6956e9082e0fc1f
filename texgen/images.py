"""Bytes of an image file to RGB pixels, by one rule."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from texgen.errors import ImageError, ImageMemoryError
from texgen.types import Pixels

MAX_PIXELS = 178_956_970
"""Pillow's own limit against decompression bombs."""

DECODE_RULE = "pillow-rgb-v1"
"""Names the rule of `decode` in a data set's fingerprint."""

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000")
"""What a photograph may be, whatever its extension says; formats that would
start another program (EPS) are left out. JPEG includes MPO."""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decodes an image as Pillow's ``convert("RGB")`` does.

    EXIF orientation is ignored and alpha dropped. Only 16-bit grey differs:
    Pillow clips it, here its high byte is taken.

    Args:
        data: The whole file.
        max_pixels: A larger image is refused before it is decoded.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: With the code of what is wrong.
        ImageMemoryError: If the machine has too little memory for it.
    """
    if not data:
        raise ImageError("image_empty")
    if max_pixels > MAX_PIXELS:
        # Pillow raises at twice this figure; the check below is the one that counts.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)
    with warnings.catch_warnings():
        # Damaged EXIF, transparency and large images warn; none changes the pixels.
        warnings.simplefilter("ignore")
        return _decode(data, max_pixels)


def _decode(data: bytes, max_pixels: int) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, max_pixels)
            try:
                return _to_rgb(image)
            except MemoryError as error:
                # It says something about this machine, so the image is no failed row.
                raise ImageMemoryError(image.width, image.height) from error
    except (ImageError, ImageMemoryError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("image_too_large", str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError("image_unreadable", "Pillow knows no such format") from error
    except Exception as error:
        raise ImageError("image_corrupt", f"{type(error).__name__}: {error}") from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        size = f"{image.width}x{image.height} px"
        raise ImageError("image_too_large", size)


def _to_rgb(image: Image.Image) -> Pixels:
    if _is_grey16(image):
        grey = np.asarray(image).astype(np.int64)
        high = np.clip(grey, 0, 0xFFFF) >> 8
        return np.repeat(high.astype(np.uint8)[:, :, None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def _is_grey16(image: Image.Image) -> bool:
    # A PGM with 16 bits opens in the 32-bit mode "I", all else in "I;16" and kin.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PPM", "PNG"})
