"""Decodes image files to RGB pixels by one rule."""

from __future__ import annotations

import io
import platform
import re
import struct
import warnings

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, UnidentifiedImageError, features

from texgen.core.errors import ImageError, ImageMemoryError, MissingCodecError
from texgen.core.types import Pixels

MAX_PIXELS = 178_956_970
"""Largest number of pixels of an image: Pillow's own limit against decompression bombs."""

DECODE_RULE = "pillow-rgb-v1"
"""Name of the rule of `decode` in a data set's fingerprint."""

PILLOW_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")
"""Formats of images, whatever their extensions are; TGA is recognized apart from them.

Formats that start another program (EPS) are left out. JPEG includes MPO.
"""

_CODECS = {
    "AVIF": ("avif", re.compile(rb".{4}ftypavi[fs]", re.DOTALL)),
    "JPEG 2000": ("jpg_2000", re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    "WebP": ("webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
}
"""Formats that some builds of Pillow lack, to Pillow's feature and the first bytes of files."""

_TGA_HEADER = struct.Struct("<BBBHHBHHHHBB")
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"
_TGA_COLOUR_MAPPED, _TGA_KINDS = (1, 9), (1, 2, 3, 9, 10, 11)
_TGA_DEPTHS = (1, 8, 16, 24, 32)

_BITS, _PHOTOMETRIC = 258, 262
"""Numbers of TIFF tags."""
_WHITE_IS_ZERO = 0

_MIN_MEAN = 1.0
"""Smallest mean of grey of 32 bits: below it, an image on the scale of 8 bits is black, and an
image on a scale from 0 to 1 has no larger mean."""

_MIN_INSIDE = 0.99
"""Smallest share of values from 0 to 255; sharpening puts some values outside."""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decodes an image as Pillow's ``convert("RGB")`` does.

    EXIF orientation is ignored and alpha is dropped. The first frame of a file with several is
    decoded. Only 16-bit grey differs from Pillow, which clips it: `decode` takes its high byte.
    Grey of 32 bits has no scale of its own, and must have that of 8 bits.

    Args:
        data: Content of the file.
        max_pixels: Largest number of pixels; a larger image is refused before it is decoded.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: If the image cannot be decoded; has the code of the failure.
        MissingCodecError: If Pillow was built without the image's format.
        ImageMemoryError: If this machine has too little memory for the image.
    """
    if not data:
        raise ImageError("image_empty")
    if max_pixels > MAX_PIXELS:
        # Pillow raises at twice this number; the exact limit is checked below.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)
    with warnings.catch_warnings():
        # Damaged EXIF, transparency and large images cause warnings, but never change the pixels.
        warnings.simplefilter("ignore")
        return _decode(data, max_pixels)


def _decode(data: bytes, max_pixels: int) -> Pixels:
    try:
        formats = ("TGA",) if _is_tga(data) else PILLOW_FORMATS
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _check_size(image, max_pixels)
            try:
                return to_rgb(image)
            except MemoryError as error:
                # The machine is at fault, so the image must not become a failed row.
                raise ImageMemoryError(image.width, image.height) from error
    except (ImageError, ImageMemoryError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("image_too_large", str(error)) from error
    except UnidentifiedImageError as error:
        _check_codec(data)
        raise ImageError("image_unreadable", "Pillow knows no such format") from error
    except Exception as error:
        raise ImageError("image_corrupt", f"{type(error).__name__}: {error}") from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ImageError("image_too_large", f"{image.width}x{image.height} px")


def _is_tga(data: bytes) -> bool:
    """Whether a file is a TGA, which has no magic number; Pillow takes nearly any file for one."""
    if len(data) < _TGA_HEADER.size:
        return False
    _, mapped, kind, first, length, entry, _, _, width, height, depth, _ = _TGA_HEADER.unpack_from(
        data
    )
    if kind not in _TGA_KINDS or depth not in _TGA_DEPTHS or not (width and height):
        return False
    if data.endswith(_TGA_FOOTER):
        return mapped in (0, 1)
    if kind in _TGA_COLOUR_MAPPED:
        return bool(mapped == 1 and length and entry in (15, 16, 24, 32) and depth == 8)
    return not (mapped or first or length or entry)


def _check_codec(data: bytes) -> None:
    for name, (feature, mark) in _CODECS.items():
        if mark.match(data) and not features.check(feature):
            raise MissingCodecError(
                f"Pillow {PIL.__version__} on {platform.node()} was built without {name}, and SRC "
                "has such images; install a Pillow with it, such as pip's"
            )


def to_rgb(image: Image.Image) -> Pixels:
    """Returns the pixels of an opened image by the rule of `decode`, (H, W, 3) uint8.

    Raises:
        ImageError: If grey of more than 8 bits is not on the scale that the rule needs.
    """
    if _is_grey16(image):
        return np.repeat(_high_byte(image)[:, :, None], 3, axis=2)
    if image.mode in {"I", "F"}:
        _check_scale(image)
    return np.asarray(image.convert("RGB"))


def _is_grey16(image: Image.Image) -> bool:
    # A PGM with 16 bits opens in the 32-bit mode "I", other formats in "I;16" and the like.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PPM", "PNG"})


def _high_byte(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The high byte of 16-bit grey, (H, W) uint8.

    Raises:
        ImageError: If all values fit into 8 bits, so that the image would be black.
    """
    grey = np.asarray(image).astype(np.int64)
    # Pillow does not scale TIFF's 12 bits to 16.
    high = (np.clip(grey, 0, 0xFFFF) >> (_tag(image, _BITS, 16) - 8)).astype(np.uint8)
    if grey.any() and not high.any():
        raise ImageError("image_scale", f"16-bit grey to {np.max(grey)}, whose high byte is black")
    return 255 - high if _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO else high


def _check_scale(image: Image.Image) -> None:
    """Refuses grey of 32 bits that would become black, white or inverted.

    Raises:
        ImageError: If the values are not on a scale from 0 to 255.
    """
    values = np.asarray(image)
    # NaN counts as outside.
    inside = (values >= 0) & (values <= 255)
    share = np.mean(inside)
    mean = np.mean(values, where=inside, dtype=np.float64) if share else 0.0
    inverted = _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    if inverted or share < _MIN_INSIDE or mean < _MIN_MEAN:
        detail = f"mode {image.mode}, {share:.1%} from 0 to 255, the mean of these {mean:g}"
        raise ImageError("image_scale", detail)


def _tag(image: Image.Image, number: int, default: int) -> int:
    """The value of a TIFF tag; ``default`` if the image has none."""
    value = getattr(image, "tag_v2", {}).get(number, default)
    return int(value[0] if isinstance(value, tuple) else value)
