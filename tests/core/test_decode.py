from __future__ import annotations

import io
import resource
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.conftest import synthetic_image
from texgen.core import decode as module
from texgen.core.decode import decode
from texgen.core.errors import ImageError, ImageMemoryError, MissingCodecError


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png(width: int, height: int, depth: int, color: int, scanlines: bytes) -> bytes:
    """A PNG of any kind, including kinds that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(scanlines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


PHOTO = synthetic_image(1, (37, 29))
ALPHA = Image.fromarray(np.arange(37 * 29, dtype=np.uint16).reshape(29, 37).astype(np.uint8))
RGBA = Image.merge("RGBA", (*PHOTO.split(), ALPHA))
PALETTE = PHOTO.convert("P", palette=Image.Palette.ADAPTIVE, colors=17)
GREY = np.asarray(PHOTO.convert("L"))
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
    "jpeg 2000": saved(PHOTO, "JPEG2000"),
    "jpeg 2000 without a box": saved(PHOTO, "JPEG2000", no_jp2=True),
    "avif": saved(PHOTO, "AVIF"),
    "pbm": saved(PHOTO.convert("1"), "PPM"),
    "dib": saved(PHOTO, "DIB"),
    "tga": saved(PHOTO, "TGA"),
    "tga of version 1": saved(PHOTO, "TGA")[:-26],
    "grey tga, run lengths": saved(PHOTO.convert("L"), "TGA", compression="tga_rle"),
    "palette tga": saved(PALETTE, "TGA")[:-26],
    "tga with alpha": saved(RGBA, "TGA"),
    "animated gif": saved(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]),
    "animated png": saved(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(180)]),
    "animated webp": saved(PHOTO, "WEBP", save_all=True, append_images=[PHOTO.rotate(180)]),
    "tiff of two pages": saved(PHOTO, "TIFF", save_all=True, append_images=[PHOTO.rotate(180)]),
    "ycbcr tiff": saved(PHOTO.convert("YCbCr"), "TIFF"),
    "32-bit tiff": saved(PHOTO.convert("I"), "TIFF"),
    "float pfm": saved(PHOTO.convert("F"), "PPM"),
    "sharpened float tiff": saved(Image.fromarray(GREY * np.float32(1.01) - 1), "TIFF"),
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


def tiff(samples: np.ndarray, bits: int, photometric: int) -> bytes:
    """A TIFF of 37 x 29 px of any kind, including kinds that Pillow does not write."""
    data = samples.tobytes()
    tags = {256: 37, 257: 29, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 29,
            279: len(data)}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    place = struct.pack("<I", 8 + len(data))
    return b"II*\0" + place + data + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("photometric", [0, 1])
def test_16_bit_grey_whose_zero_is_white_is_no_negative(photometric):
    shown = GREY16 if photometric else 65_535 - GREY16
    expected = (GREY16 >> 8).astype(np.uint8)
    assert np.array_equal(decode(tiff(shown, 16, photometric))[..., 1], expected)


def test_12_bits_of_a_tiff_are_not_nearly_black():
    twelve = np.pad(GREY16 >> 4, ((0, 0), (0, 1))).reshape(29, 19, 2)
    first, second = twelve[..., 0], twelve[..., 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=2)
    data = tiff(packed.astype(np.uint8).reshape(29, -1)[:, :56], 12, 1)
    assert np.array_equal(decode(data)[..., 0], (GREY16 >> 8).astype(np.uint8))


@pytest.mark.parametrize(
    "values",
    [
        GREY / np.float32(255), GREY / np.float32(170), GREY * np.float32(257),
        GREY * np.float32(0), np.full_like(GREY, np.nan, np.float32), GREY.astype(np.int32) * 257,
        (GREY > 99).astype(np.int32), GREY.astype(np.int32) - 1024,
    ],
)  # fmt: skip
def test_grey_of_32_bits_on_another_scale_is_a_failed_row_and_not_a_black_image(values):
    assert code_of(saved(Image.fromarray(values), "TIFF")) == "image_scale"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_with_values_of_8_bits_is_a_failed_row_and_not_a_black_image(kind):
    assert code_of(saved(Image.fromarray(GREY.astype(np.uint16)), kind)) == "image_scale"
    black = saved(Image.fromarray(np.zeros((29, 37), np.uint16)), kind)
    assert not decode(black).any()


def test_a_pfm_from_0_to_1_is_a_failed_row():
    assert code_of(saved(Image.fromarray(GREY / np.float32(255)), "PPM")) == "image_scale"


def test_a_float_tiff_whose_zero_is_white_is_a_failed_row():
    with Image.open(io.BytesIO(saved(PHOTO.convert("F"), "TIFF"))) as image:
        image.tag_v2[262] = 0
        assert image.mode == "F"
        with pytest.raises(ImageError, match="image_scale"):
            module.to_rgb(image)


def test_a_codec_that_pillow_lacks_is_no_fault_of_the_image(monkeypatch):
    # A failed row would make the manifest depend on the machine.
    for kind, feature in (("avif", "avif"), ("jpeg 2000", "jpg_2000"), ("webp", "webp")):
        monkeypatch.setattr(module, "PILLOW_FORMATS", ("PNG",))
        monkeypatch.setattr(module.features, "check", lambda name, lacking=feature: name != lacking)
        with pytest.raises(MissingCodecError, match=r"Pillow .* was built without"):
            decode(LIKE_PILLOW[kind])
        assert code_of(b"not an image\n" * 20) == "image_unreadable"


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


@pytest.mark.parametrize(
    "kind", ["jpeg", "png", "bmp", "tiff", "webp", "progressive jpeg", "tga", "avif"]
)
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
        # A cursor and an icon, whose first bytes resemble those of a TGA.
        b"\0\0\2\0\1\0\x20\x20\0\0\1\0\1\0\x30\1\0\0\x16\0\0\0" + bytes(400),
        b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0" + bytes(400),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg xmlns='http://x'/>",
    ],
)  # fmt: skip
def test_bytes_that_are_not_an_image_are_unreadable(data):
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
    monkeypatch.setattr(module, "MAX_PIXELS", 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert code_of(LIKE_PILLOW["jpeg"], max_pixels=100) == "image_too_large"
    assert decode(LIKE_PILLOW["jpeg"], max_pixels=37 * 29).shape == (29, 37, 3)


def test_running_out_of_memory_is_no_fault_of_the_image(monkeypatch):
    # A failed row must be the same on every machine, so it must not depend on free memory.
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", exhausted)
    with pytest.raises(ImageMemoryError) as caught:
        decode(LIKE_PILLOW["jpeg"])
    assert (caught.value.width, caught.value.height) == (37, 29)


def test_warnings_of_damaged_files_stay_inside(recwarn):
    decode(LIKE_PILLOW["palette png with alpha"])
    decode(saved(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert not recwarn.list
