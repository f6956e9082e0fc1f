from __future__ import annotations

import io
import resource
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.conftest import photograph
from texgen import images
from texgen.errors import ImageError, ImageMemoryError
from texgen.images import decode


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png(width: int, height: int, depth: int, color: int, scanlines: bytes) -> bytes:
    """A PNG of any kind, also of those that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(scanlines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


PHOTO = photograph(1, (37, 29))
ALPHA = Image.fromarray(np.arange(37 * 29, dtype=np.uint16).reshape(29, 37).astype(np.uint8))
RGBA = Image.merge("RGBA", (*PHOTO.split(), ALPHA))
PALETTE = PHOTO.convert("P", palette=Image.Palette.ADAPTIVE, colors=17)
GREY16 = (np.arange(29 * 37, dtype=np.uint32) * 65_535 // (29 * 37)).astype(np.uint16)
GREY16 = GREY16.reshape(29, 37)
DEEP_RGB = np.random.default_rng(0).integers(0, 256, (3, 1 + 4 * 6), dtype=np.uint8)
DEEP_RGB[:, 0] = 0

LIKE_PILLOW = {
    "jpeg": saved(PHOTO, "JPEG"),
    "progressive jpeg": saved(PHOTO, "JPEG", progressive=True),
    "grey jpeg": saved(PHOTO.convert("L"), "JPEG"),
    "cmyk jpeg": saved(PHOTO.convert("CMYK"), "JPEG"),
    "png": saved(PHOTO, "PNG"),
    "grey png": saved(PHOTO.convert("L"), "PNG"),
    "grey png with alpha": saved(RGBA.convert("LA"), "PNG"),
    "palette png": saved(PALETTE, "PNG"),
    "palette png with a transparent colour": saved(PALETTE, "PNG", transparency=3),
    "palette png with alpha": saved(PALETTE, "PNG", transparency=bytes(range(17))),
    "1-bit png": saved(PHOTO.convert("1"), "PNG"),
    "rgba png": saved(RGBA, "PNG"),
    "rgb png with a transparent colour": saved(PHOTO, "PNG", transparency=(0, 0, 0)),
    "16-bit rgb png": png(4, 3, 16, 2, DEEP_RGB.tobytes()),
    "bmp": saved(PHOTO, "BMP"),
    "gif": saved(PALETTE, "GIF"),
    "ppm": saved(PHOTO, "PPM"),
    "pgm": saved(PHOTO.convert("L"), "PPM"),
    "tiff": saved(PHOTO, "TIFF"),
    "cmyk tiff": saved(PHOTO.convert("CMYK"), "TIFF"),
    "float tiff": saved(PHOTO.convert("F"), "TIFF"),
    "webp": saved(PHOTO, "WEBP"),
    "webp with alpha": saved(RGBA, "WEBP", lossless=True),
    "1x1 png": saved(PHOTO.crop((0, 0, 1, 1)), "PNG"),
    "1x1 jpeg": saved(PHOTO.crop((0, 0, 1, 1)), "JPEG"),
    "mpo": saved(PHOTO, "MPO", save_all=True, append_images=[PHOTO.rotate(180)]),
}


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("kind", LIKE_PILLOW)
def test_pixels_are_those_of_pillow(kind):
    pixels = decode(LIKE_PILLOW[kind])
    assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)
    assert np.array_equal(pixels, by_pillow(LIKE_PILLOW[kind]))


def test_pixels_are_rows_first():
    assert decode(LIKE_PILLOW["jpeg"]).shape == (29, 37, 3)


def test_alpha_is_dropped_and_not_blended():
    assert np.array_equal(decode(LIKE_PILLOW["rgba png"]), np.asarray(PHOTO))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PGM", "big-endian TIFF"])
def test_16_bit_grey_is_its_high_byte(kind):
    if kind == "PGM":
        data = b"P5 37 29 65535\n" + GREY16.astype(">u2").tobytes()
    elif kind == "big-endian TIFF":
        image = Image.frombytes("I;16B", (37, 29), GREY16.astype(">u2").tobytes())
        data = saved(image, "TIFF")
    else:
        data = saved(Image.fromarray(GREY16), kind)
    expected = (GREY16 >> 8).astype(np.uint8)
    assert len(np.unique(expected)) == 256
    assert np.array_equal(decode(data), np.stack([expected] * 3, axis=2))


def test_exif_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(PHOTO, "JPEG", exif=exif)
    assert Image.open(io.BytesIO(turned)).getexif()[0x0112] == 6
    assert np.array_equal(decode(turned), decode(LIKE_PILLOW["jpeg"]))


@pytest.mark.parametrize("junk", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"junk" * 9])
def test_damaged_exif_changes_no_pixel(junk):
    assert np.array_equal(
        decode(saved(PHOTO, "JPEG", exif=b"Exif\0\0II*\0" + junk)), decode(LIKE_PILLOW["jpeg"])
    )


def code_of(data: bytes, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, **options)
    return caught.value.code


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "tiff", "webp", "progressive jpeg"])
def test_an_image_that_is_cut_off_is_corrupt(kind):
    data = LIKE_PILLOW[kind]
    assert code_of(data[: len(data) * 2 // 3]) in {"image_corrupt", "image_unreadable"}


def test_a_jpeg_and_a_png_cut_off_in_their_pixels_are_corrupt():
    for kind in ("jpeg", "png"):
        data = LIKE_PILLOW[kind]
        assert code_of(data[: len(data) - len(data) // 5]) == "image_corrupt"


def test_a_file_without_bytes_is_empty():
    assert code_of(b"") == "image_empty"


@pytest.mark.parametrize(
    "data",
    [
        b"not an image\n" * 20, b"\0" * 500, b"\xff\xd8", b"P6 0 4 255\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg xmlns='http://x'/>",
    ],
)  # fmt: skip
def test_what_is_no_photograph_is_unreadable(data):
    assert code_of(data) == "image_unreadable"


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize("side", [60_000, 14_000])
def test_a_bomb_is_refused_before_its_pixels_take_memory(side):
    bomb = png(side, side, 8, 2, b"\0" * 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert code_of(bomb) == "image_too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_max_pixels_counts_exactly():
    assert decode(LIKE_PILLOW["png"], max_pixels=37 * 29).shape == (29, 37, 3)
    assert code_of(LIKE_PILLOW["png"], max_pixels=37 * 29 - 1) == "image_too_large"


def test_max_pixels_may_be_raised_above_the_limit_of_pillow(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert code_of(LIKE_PILLOW["jpeg"], max_pixels=100) == "image_too_large"
    assert decode(LIKE_PILLOW["jpeg"], max_pixels=37 * 29).shape == (29, 37, 3)


def test_running_out_of_memory_is_no_fault_of_the_image(monkeypatch):
    # A failed row must be the same on every machine, and so may not depend on free memory.
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", exhausted)
    with pytest.raises(ImageMemoryError) as told:
        decode(LIKE_PILLOW["jpeg"])
    assert (told.value.width, told.value.height) == (37, 29)


def test_warnings_of_damaged_files_stay_inside(recwarn):
    decode(LIKE_PILLOW["palette png with alpha"])
    decode(saved(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert not recwarn.list
