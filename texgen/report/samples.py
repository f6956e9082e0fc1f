"""Textures that are spread over the set: statistics of many, and some to be shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from texgen.core.errors import SourceError
from texgen.core.types import Pixels
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.originals import OriginalImages
from texgen.dataset.reader import Dataset
from texgen.report.image_statistics import ImageStatistics, measure_images
from texgen.synthesis.patches import Patches

MEASURED = 256
"""Number of textures whose colours and spectra are measured."""

_MAX_IMAGE = (420, 300)
"""Largest width and height at which images and patches are shown, px."""

_MAX_TEXTURE = 256
_REDUCED_TEXTURE = 320
"""Sides, px: textures larger than the first are shown with the second."""

_MIMES = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class ShownTexture:
    """Encoded images of one texture.

    Attributes:
        split: Name of its split.
        row: Its manifest row.
        texture: MIME type and bytes of its file.
        original: Its image, centre patch and random patch as reduced JPEG; None if they are not
            wanted or could not be read.
    """

    split: str
    row: ManifestRow
    texture: tuple[str, bytes]
    original: tuple[bytes, bytes, bytes] | None


@dataclass
class SampledTextures:
    """Statistics and encoded images of the textures that are spread over the set.

    Attributes:
        side: Side of the windows in which spectra are measured, px.
        shown: Textures to be shown, in the order of the set.
        statistics: Statistics by kind and by number of the texture: of the images that were read,
            of each one's two patches together, and of all textures. Textures are last, so that
            they are drawn on top.
        missing: Errors of images that could not be read.
        reduced: Whether textures are shown smaller than they are.
    """

    side: int
    shown: list[ShownTexture] = field(default_factory=list)
    statistics: dict[str, dict[int, ImageStatistics]] = field(
        default_factory=lambda: {"images": {}, "patches": {}, "textures": {}}
    )
    missing: list[str] = field(default_factory=list)
    reduced: bool = False


def take_samples(dataset: Dataset, originals: OriginalImages | None, count: int) -> SampledTextures:
    """Measures `MEASURED` textures, or ``count`` if that is more, and keeps ``count`` to be shown.

    Args:
        dataset: The data set.
        originals: Images that the textures were made of; None leaves them out.
        count: Number of textures to be shown.

    Raises:
        DatasetError: If a texture cannot be read.
        SourceError: If SRC has none of the images.
    """
    rows = dataset.sample_textures(max(count, MEASURED))
    samples = SampledTextures(_window_side(dataset, [row for _, row in rows]))
    shown_numbers = {number * len(rows) // count for number in range(count)}
    for number, (split, row) in enumerate(rows):
        encoded = dataset.image(row)
        texture = _decode(encoded)
        original = None
        if originals is not None:
            try:
                original = originals.read(row)
            except SourceError as error:
                samples.missing.append(str(error))
        # Spectra are compared, so they must be of the same images. If patches are smaller than a
        # window, neither they nor their image or texture get a spectrum.
        spectrum = (row["patch_size"] or 0) >= samples.side
        spectrum &= original is not None or originals is None
        pixels = {"textures": [texture]}
        if original is not None:
            image, patches = original
            pixels |= {"images": [image], "patches": [patches.center, patches.random]}
        for kind, group in pixels.items():
            measured = measure_images(group, samples.side, spectrum=spectrum)
            samples.statistics[kind][number] = measured
        if number in shown_numbers:
            file = _texture_file(encoded, texture, dataset.index.config["format"], samples)
            encoded_original = None if original is None else _encode(*original)
            samples.shown.append(ShownTexture(split, row, file, encoded_original))
    if rows and len(samples.missing) == len(rows):
        raise SourceError(
            f"--src has none of the {len(rows)} images looked for: {samples.missing[0]}"
        )
    return samples


def _window_side(dataset: Dataset, rows: Sequence[ManifestRow]) -> int:
    """The usual side of patches, which most images hold a window of, or the textures' if less."""
    sides = sorted(row["patch_size"] or 0 for row in rows)
    size: Any = dataset.index.config.get("size")
    usual = sides[len(sides) // 2] if sides else 0
    return min(usual, size) if isinstance(size, int) else usual


def _texture_file(
    encoded: bytes, texture: Pixels, image_format: str, samples: SampledTextures
) -> tuple[str, bytes]:
    """MIME type and bytes of a texture's file, which is smaller if the texture is large."""
    if len(texture) <= _MAX_TEXTURE:
        return _MIMES.get(image_format, "image/png"), encoded
    samples.reduced = True
    out = io.BytesIO()
    side = _REDUCED_TEXTURE
    reduced = Image.fromarray(texture).resize((side, side), Image.Resampling.LANCZOS)
    reduced.save(out, "WEBP", quality=88)
    return "image/webp", out.getvalue()


def _decode(encoded: bytes) -> Pixels:
    with Image.open(io.BytesIO(encoded), formats=("PNG", "WEBP", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


def _encode(image: Pixels, patches: Patches) -> tuple[bytes, bytes, bytes]:
    """JPEG files of the image and both patches that are small enough for a page of many."""
    return _jpeg(image), _jpeg(patches.center), _jpeg(patches.random)


def _jpeg(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail(_MAX_IMAGE, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()
