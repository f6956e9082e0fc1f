"""The photographs of a split found in archives, sorted by key in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source.base import OnError

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
_FLUSH = 1 << 16
_READ = 1 << 12


class CatalogueEntry(NamedTuple):
    """A photograph in an archive.

    Attributes:
        key: See `ImageEntry`.
        file: Number of the archive.
        name: Of the member, as it is there.
        position: What it is found by in the archive.
        size: Bytes, -1 where they are not known before it is read.
        check: What tells that the archive is another.
        label: Of its class, before ``--classes``; None without one.
    """

    key: str
    file: int
    name: bytes
    position: int
    size: int
    check: int
    label: int | None


class Catalogue:
    """Takes photographs in any order and gives them back in byte order of their keys.

    A photograph takes the bytes of its names and some 40 more, not a Python object.
    """

    def __init__(self) -> None:
        self._rows: list[CatalogueEntry] = []
        self._batches: list[Any] = []

    def add(self, found: CatalogueEntry) -> None:
        """Takes a photograph."""
        self._rows.append(found)
        if len(self._rows) == _FLUSH:
            self._flush()

    def entries(
        self, entry: Callable[[CatalogueEntry], ImageEntry | None], problem: OnError, clash: str
    ) -> Iterator[ImageEntry]:
        """The photographs in order; of two with one key the first, and a problem.

        Args:
            entry: Makes a photograph's entry; None leaves it out.
            problem: See `OnError`.
            clash: What to do about two photographs of one key.
        """
        last: ImageEntry | None = None
        for found in self._sorted():
            made = entry(found)
            if made is None:
                continue
            if last is not None and last.key == made.key:
                message = f"{last.source} and {made.source} give one key ({made.key}); {clash}"
                problem(SourceError(message))
                continue
            yield made
            last = made

    def of_key(self, key: str) -> Iterator[CatalogueEntry]:
        """The photographs of one key."""
        for table in self._tables():
            part = table.filter(pc.equal(table["key"], key))
            yield from map(CatalogueEntry._make, (row.values() for row in part.to_pylist()))

    def _tables(self) -> list[Any]:
        if self._rows:
            self._flush()
        return [pa.Table.from_batches([batch]) for batch in self._batches]

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in _SCHEMA)
        self._batches.append(pa.record_batch([list(c) for c in columns], schema=_SCHEMA))
        self._rows.clear()

    def _sorted(self) -> Iterator[CatalogueEntry]:
        self._flush()
        # One chunk: else every slice below would look for its rows in all of them.
        table = pa.Table.from_batches(self._batches).combine_chunks()
        self._batches = table.to_batches()
        order = [(name, "ascending") for name in ("key", "file", "position")]
        indices = pc.sort_indices(table, sort_keys=order)
        for start in range(0, len(indices), _READ):
            part = table.take(indices.slice(start, _READ))
            columns = (part[name].to_pylist() for name in _SCHEMA.names)
            yield from map(CatalogueEntry._make, zip(*columns, strict=True))
