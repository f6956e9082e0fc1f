"""Records that the stages of a build pass on. All are frozen and can be pickled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from texgen.core.layout import shard_name, shard_path

Pixels = NDArray[np.uint8]
"""RGB pixels, (H, W, 3) uint8, row-major."""

# pyarrow ships no types.
ArrowTable: TypeAlias = Any
"""A `pyarrow.Table` or array."""

ArrowFile: TypeAlias = Any
"""An open, seekable `pyarrow.NativeFile`, or any binary file that Arrow reads."""

Shard: TypeAlias = tuple[str, int]
"""Name of a split and number of a shard in it."""


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image of SRC as the plan holds it.

    Attributes:
        key: Key, unique in its split: ASCII, without a dot.
        source: Path relative to SRC, with ``/`` as separator, for display.
        locator: Bytes by which the source finds the image: its relative path in a folder, a
            `texgen.source.locator.Locator` in an archive.
        size: Size of the file in bytes; -1 if it is unknown.
        label: Index of its class; None in a split without classes.
        class_name: Name of its class; None in a split without classes.
    """

    key: str
    source: str
    locator: bytes
    size: int
    label: int | None
    class_name: str | None


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Plan of one shard.

    Attributes:
        split: Name of the split.
        index: Number of the shard in its split.
        entries: Images in key order.
        first_texture: Index of the first texture of the first image; not 0 if the shard before
            holds earlier textures of that image.
        rows: Number of textures.
    """

    split: str
    index: int
    entries: tuple[ImageEntry, ...]
    first_texture: int
    rows: int

    @property
    def name(self) -> str:
        """File name without extension: ``train-000003``."""
        return shard_name(self.split, self.index)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Position of a texture's patches in its image, in pixels.

    Attributes:
        width: Width of the image.
        height: Height of the image.
        side: Side of both patches.
        center: x and y of the upper left pixel of the centre patch.
        random: x and y of the upper left pixel of the random patch.
    """

    width: int
    height: int
    side: int
    center: tuple[int, int]
    random: tuple[int, int]


@dataclass(frozen=True, slots=True)
class TextureFile:
    """Location of a texture's image file in a shard.

    Attributes:
        shard: Path of the shard, relative to OUT.
        offset: Offset of the file's data in the tar, in bytes.
        length: Size of the file in bytes.
        sha256: SHA-256 of the file, hex.
    """

    shard: str
    offset: int
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Row:
    """One texture: one row of the manifest.

    Attributes:
        key: Key of the image, followed by ``+001`` … for further textures of it.
        entry: The image.
        texture_index: Number of the texture among those of its image, 0 to T - 1.
        seed: Seed of this texture, below 2**53.
        geometry: Position of its patches; None if the image could not be read.
        member: Location of the texture's file; None if the texture failed.
        error: Fixed text that says why the texture failed; None if it did not.
    """

    key: str
    entry: ImageEntry
    texture_index: int
    seed: int
    geometry: Geometry | None = None
    member: TextureFile | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall clock time that one shard took, in seconds, summed over its samples.

    Attributes:
        total_s: Whole attempt.
        decode_s: Decoding of images.
        schedule_s: Engine: work that textures of one size share.
        load_s: Engine: loading of patches.
        synthesis_s: Engine: synthesis.
        encoding_s: Encoding of textures.
        ended: End of the attempt, in seconds since 1970; 0 if unknown.
    """

    total_s: float = 0.0
    decode_s: float = 0.0
    schedule_s: float = 0.0
    load_s: float = 0.0
    synthesis_s: float = 0.0
    encoding_s: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """Record of a finished shard. It is written after the shard and marks it as done.

    Attributes:
        split: Name of the split.
        index: Number of the shard in its split.
        size: Size of the tar in bytes.
        sha256: SHA-256 of the tar, hex.
        rows: Number of planned textures.
        failed: Number of failed textures.
        fingerprint: Fingerprint of the build.
        timings: Time that the shard took.
        kept: Number of textures copied from an earlier run when failed rows were retried.
        texgen: Version of texgen that made the shard; None in records of before it was kept.
        code: Digest of that texgen's files, see `texgen.core.identity`; None like ``texgen``.
    """

    split: str
    index: int
    size: int
    sha256: str
    rows: int
    failed: int
    fingerprint: str
    timings: Timings
    kept: int = 0
    texgen: str | None = None
    code: str | None = None

    @property
    def samples(self) -> int:
        """Number of textures in the tar."""
        return self.rows - self.failed

    @property
    def path(self) -> str:
        """Path of the tar, relative to OUT."""
        return shard_path(self.split, self.index)
