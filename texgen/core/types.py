"""The records that stages hand along. All are frozen and pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from texgen.core.layout import shard_name, shard_path

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB, row-major."""

# pyarrow ships no types.
ArrowTable: TypeAlias = Any
"""A `pyarrow.Table`."""

ArrowFile: TypeAlias = Any
"""An open, seekable `pyarrow.NativeFile`, or any binary file that Arrow reads."""


Shard: TypeAlias = tuple[str, int]
"""Name of a split, and the number of a shard in it."""


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """A photograph as planned.

    Attributes:
        key: Unique in its split, ASCII, without a dot.
        source: Where it is, relative to SRC, POSIX, for people.
        locator: What the source finds it by: in a folder the bytes of its relative path, in an
            archive a `texgen.source.locator.Locator`.
        size: Bytes of the file; -1 where it could not be found out.
        label: Index of its class, or None in a flat split.
        class_name: Name of its class folder, or None.
    """

    key: str
    source: str
    locator: bytes
    size: int
    label: int | None
    class_name: str | None


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """What one shard holds.

    Attributes:
        split: Name of the split.
        index: Number of the shard in its split.
        entries: Photographs in key order.
        first_texture: Texture index with which the first photograph starts;
            not 0 where its first textures are in the shard before.
        rows: Number of textures.
    """

    split: str
    index: int
    entries: tuple[ImageEntry, ...]
    first_texture: int
    rows: int

    @property
    def name(self) -> str:
        """``train-000003``."""
        return shard_name(self.split, self.index)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the patches of one texture lie, in pixels of the photograph.

    Attributes:
        width: Width of the photograph.
        height: Height of the photograph.
        side: Side of both patches.
        center: x and y of the centre patch's upper left pixel.
        random: x and y of the random patch's upper left pixel.
    """

    width: int
    height: int
    side: int
    center: tuple[int, int]
    random: tuple[int, int]


@dataclass(frozen=True, slots=True)
class TextureFile:
    """Where a texture's file lies.

    Attributes:
        shard: Path of the shard, relative to OUT.
        offset: Byte at which the file's data begin.
        length: Bytes of the file.
        sha256: Of the file, hex.
    """

    shard: str
    offset: int
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Row:
    """One texture: a row of the manifest.

    Attributes:
        key: The photograph's key, with ``+001`` … for further textures.
        entry: The photograph.
        texture_index: 0 … T - 1.
        seed: Seed of this texture, below 2**53.
        geometry: None where the photograph could not be read.
        member: None where the texture failed.
        error: Fixed text, or None where the texture is there.
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
    """Seconds that one shard spent, summed over its samples (wall clock).

    Attributes:
        ended: When it was finished, seconds since 1970; 0 where that is not known.
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
    """A finished shard; written after it and so the sign that it is done.

    Attributes:
        split: Name of the split.
        index: Number of the shard in its split.
        size: Bytes of the tar.
        sha256: Of the tar, hex.
        rows: Textures planned.
        failed: Textures that failed.
        fingerprint: Of the build that it belongs to.
        timings: Where the time went.
        kept: Textures that an earlier run had made, before failed rows were tried again.
        texgen: Version of the texgen that made it; None before records had one.
        code: Digest of that texgen's own files, see `texgen.core.identity`; None likewise.
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
        """Textures in the tar."""
        return self.rows - self.failed

    @property
    def path(self) -> str:
        """Path of the tar, relative to OUT."""
        return shard_path(self.split, self.index)
