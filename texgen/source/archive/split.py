"""A split of archives: its images, sorted by key in bounded memory, its classes and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from texgen.source.labels.class_index import LabelMap
from texgen.source.labels.rules import ArchiveImage
from texgen.source.locator import Archive

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.large_string()),
        pa.field("file", pa.int32()),
        pa.field("name", pa.large_binary()),
        pa.field("position", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("check", pa.uint32()),
        pa.field("label", pa.int32()),
    ]
)
_ROWS_PER_BATCH = 1 << 16
_ROWS_AT_ONCE = 1 << 12
"""Rows that are Python objects at the same time while the catalogue is read."""


class CatalogueEntry(NamedTuple):
    """An image in an archive.

    Attributes:
        key: See `ImageEntry`.
        file: Number of the archive in its split.
        name: Name of the member as bytes, unchanged.
        position: Offset of its data in a tar, row in a Parquet file.
        size: Bytes of the image, -1 where they are unknown until it is read.
        check: Checksum that differs if the archive was replaced by another.
        label: Label of its class, before ``--classes``; None without one.
    """

    key: str
    file: int
    name: bytes
    position: int
    size: int
    check: int
    label: int | None


class Catalogue:
    """Takes images in any order and returns them in byte order of their keys.

    An image takes the bytes of its names and some 40 more, not a Python object.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[Any] = []

    def add(self, key: str, image: ArchiveImage, label: int | None) -> None:
        """Adds an image with its key and its label in SRC."""
        row = (key, image.file, image.name, image.position, image.size, image.check, label)
        self._rows.append(row)
        if len(self._rows) == _ROWS_PER_BATCH:
            self._flush()

    def in_order(self) -> Iterator[CatalogueEntry]:
        """All images in order."""
        self._flush()
        # A table of several chunks would search all of them for the rows of each slice below.
        table = pa.Table.from_batches(self._batches).combine_chunks()
        self._batches = table.to_batches()
        order = [(name, "ascending") for name in ("key", "file", "position")]
        indices = pc.sort_indices(table, sort_keys=order)
        for start in range(0, len(indices), _ROWS_AT_ONCE):
            part = table.take(indices.slice(start, _ROWS_AT_ONCE))
            columns = (part[name].to_pylist() for name in _SCHEMA.names)
            yield from map(CatalogueEntry._make, zip(*columns, strict=True))

    def of_key(self, key: str) -> Iterator[CatalogueEntry]:
        """The images of one key; several where keys clash."""
        if self._rows:
            self._flush()
        for batch in self._batches:
            rows = batch.filter(pc.equal(batch["key"], key)).to_pylist()
            yield from (CatalogueEntry(**row) for row in rows)

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in _SCHEMA)
        self._batches.append(pa.record_batch([list(c) for c in columns], schema=_SCHEMA))
        self._rows.clear()


@dataclass(frozen=True, slots=True)
class ArchiveSplit:
    """A split of archives.

    Attributes:
        archives: The archives, which `CatalogueEntry.file` numbers.
        catalogue: Its images.
        labels: The labels of its images; None for a flat split.
        notes: What was ignored, a sentence each.
    """

    archives: Sequence[Archive]
    catalogue: Catalogue
    labels: LabelMap | None
    notes: list[str]
