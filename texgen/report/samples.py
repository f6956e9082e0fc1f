"""Textures spread over the set, beside their photographs: figures of many, pictures of some."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from texgen.core.errors import SourceError
from texgen.core.types import Geometry, Pixels
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.originals import OriginalImages
from texgen.dataset.reader import Dataset
from texgen.report.image_statistics import ImageStatistics, measure
from texgen.synthesis.patches import Patches

MEASURED = 256
"""Textures whose colours and spectra are taken."""

_PHOTOGRAPH = (420, 300)
_TEXTURE = 256
_SMALLER = 320
"""Sides, px: larger textures than the first are shown on the second."""

_MIMES = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Shown:
    """Encoded pictures of one texture.

    Attributes:
        split: Its split.
        row: Its manifest row.
        texture: MIME type and file.
        photograph: JPEG, reduced; None where it is not asked for, or could not be read.
        patches: JPEG of the centre and the random patch, likewise.
        boxes: Where they lie, likewise.
    """

    split: str
    row: ManifestRow
    texture: tuple[str, bytes]
    photograph: bytes | None = None
    patches: tuple[bytes, bytes] | None = None
    boxes: Geometry | None = None


@dataclass
class SampledTextures:
    """What was seen of the textures that are spread over the set.

    Attributes:
        side: Of the windows that spectra are taken in, px.
        shown: In order.
        textures: Figures of each texture that was measured.
        photographs: Of its photograph, or None where that could not be read.
        patches: Of both patches together, likewise.
        missing: Why photographs could not be read.
        reduced: Whether textures are shown smaller than they are.
    """

    side: int
    shown: list[Shown] = field(default_factory=list)
    textures: list[ImageStatistics] = field(default_factory=list)
    photographs: list[ImageStatistics | None] = field(default_factory=list)
    patches: list[ImageStatistics | None] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    reduced: bool = False


def take_samples(
    dataset: Dataset, photographs: OriginalImages | None, count: int
) -> SampledTextures:
    """Measures `MEASURED` textures, or ``count`` if that is more, and keeps ``count`` pictures.

    Raises:
        DatasetError: If a texture cannot be read.
        SourceError: If SRC has none of the photographs.
    """
    rows = dataset.spread(max(count, MEASURED))
    samples = SampledTextures(_side(dataset, [row for _, row in rows]))
    wanted = {number * len(rows) // count for number in range(count)}
    for number, (split, row) in enumerate(rows):
        encoded = dataset.image(row)
        texture = _decode(encoded)
        # Spectra are compared, so they are of the same photographs: of smaller ones neither
        # they nor their patches have one.
        alike = (row["patch_size"] or 0) >= samples.side
        example = _example(photographs, row, samples, spectrum=alike)
        alike &= example is not None or photographs is None
        samples.textures.append(measure([texture], samples.side, spectrum=alike))
        if number in wanted:
            file = _texture_file(encoded, texture, dataset.index.config["format"], samples)
            samples.shown.append(_shown(split, row, file, example))
    if rows and len(samples.missing) == len(rows):
        message = f"--src has none of the {len(rows)} photographs looked for: {samples.missing[0]}"
        raise SourceError(message)
    return samples


def _side(dataset: Dataset, rows: Sequence[ManifestRow]) -> int:
    """The side of most patches, which all pictures hold a window of; textures may be smaller."""
    sides = sorted(row["patch_size"] or 0 for row in rows)
    size: Any = dataset.index.config.get("size")
    usual = sides[len(sides) // 2] if sides else 0
    return min(usual, size) if isinstance(size, int) else usual


def _example(
    photographs: OriginalImages | None,
    row: ManifestRow,
    samples: SampledTextures,
    *,
    spectrum: bool,
) -> tuple[Pixels, Patches] | None:
    example = None
    if photographs is not None:
        try:
            example = photographs.read(row)
        except SourceError as error:
            samples.missing.append(str(error))
    if example is None:
        samples.photographs.append(None)
        samples.patches.append(None)
        return None
    image, cut = example
    patches = [cut.center, cut.random]
    samples.photographs.append(measure([image], samples.side, spectrum=spectrum))
    samples.patches.append(measure(patches, samples.side, spectrum=spectrum))
    return example


def _shown(
    split: str, row: ManifestRow, texture: tuple[str, bytes], example: tuple[Pixels, Patches] | None
) -> Shown:
    if example is None:
        return Shown(split, row, texture)
    image, cut = example
    small = Image.fromarray(image)
    small.thumbnail(_PHOTOGRAPH, Image.Resampling.LANCZOS)
    patches = (_jpeg(Image.fromarray(cut.center)), _jpeg(Image.fromarray(cut.random)))
    return Shown(split, row, texture, _jpeg(small), patches, cut.boxes)


def _texture_file(
    encoded: bytes, texture: Pixels, image_format: str, samples: SampledTextures
) -> tuple[str, bytes]:
    if len(texture) <= _TEXTURE:
        return _MIMES.get(image_format, "image/png"), encoded
    samples.reduced = True
    out = io.BytesIO()
    smaller = Image.fromarray(texture).resize((_SMALLER, _SMALLER), Image.Resampling.LANCZOS)
    smaller.save(out, "WEBP", quality=88)
    return "image/webp", out.getvalue()


def _decode(encoded: bytes) -> Pixels:
    with Image.open(io.BytesIO(encoded), formats=("PNG", "WEBP", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


def _jpeg(image: Image.Image) -> bytes:
    """Small enough for a page of many."""
    image.thumbnail(_PHOTOGRAPH, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def pairs(
    first: Sequence[ImageStatistics | None], second: Sequence[ImageStatistics | None]
) -> Iterator[tuple[ImageStatistics, ImageStatistics]]:
    """Those of which both are there."""
    for one, other in zip(first, second, strict=True):
        if one is not None and other is not None:
            yield one, other
