"""SRC's photographs of a split beside the data set's, both in key order."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from texgen.core.config import SourceDigest
from texgen.core.errors import StorageError
from texgen.core.keys import image_key_of
from texgen.core.layout import plan_entries_path
from texgen.core.types import ImageEntry
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.plan_summary import format_image_size
from texgen.source import Source, SplitListing
from texgen.storage import Sink
from texgen.verify.findings import Kinds

_NAMED = 1000
"""Photographs of one kind of fault that are named; SRC may be quite another folder."""


class Roll:
    """Finds the photographs of a split's rows in SRC, and what only one of both has.

    Args:
        source: SRC.
        listing: The split there.
        limit: Photographs of a split that a build took; None is all.
        planned: The plan's photographs in key order, as far as they can be read.

    Raises:
        SourceError: Here or later, if SRC cannot be listed.
    """

    def __init__(
        self,
        source: Source,
        listing: SplitListing,
        limit: int | None,
        planned: Iterator[ImageEntry],
    ) -> None:
        self._entries = source.entries(listing)
        self._limit = limit
        self._planned = planned
        self._plan_entry = next(planned, None)
        self._digest = SourceDigest()
        self._listed = 0
        self._rows = 0
        self._key = ""
        self._found: ImageEntry | None = None
        self._faults = Kinds("photograph", _NAMED)
        self._sizes = Kinds("photograph", _NAMED)
        self._entry: ImageEntry | None = None
        self._advance()

    def find(self, row: ManifestRow) -> ImageEntry | None:
        """The photograph of a row, or None where SRC has none that is the planned one.

        Args:
            row: Its key not before that of the last one.
        """
        key = image_key_of(row["key"])
        # Further textures of a photograph follow at once.
        if key > self._key:
            self._key = key
            self._rows += 1
            self._found = self._next(key, row)
        return self._found if key == self._key else None

    def _next(self, key: str, row: ManifestRow) -> ImageEntry | None:
        while self._entry is not None and self._entry.key < key:
            self._extra(self._entry)
            self._advance()
        entry = self._entry
        if entry is None or entry.key != key:
            self._faults.add("gone", f"SRC/{row['source']}: not there, but rows are made of it")
            return None
        self._advance()
        return entry if self._same_size(entry) else None

    def _same_size(self, entry: ImageEntry) -> bool:
        while self._plan_entry is not None and self._plan_entry.key < entry.key:
            self._plan_entry = next(self._planned, None)
        planned = self._plan_entry
        if planned is None or planned.key != entry.key or planned.size == entry.size:
            return True
        what = f"{format_image_size(entry.size)}; the plan says {format_image_size(planned.size)}"
        self._sizes.add("size", f"SRC/{entry.source}: {what}")
        return False

    def _extra(self, entry: ImageEntry) -> None:
        self._faults.add("extra", f"SRC/{entry.source}: the data set has no row of it")

    def _advance(self) -> None:
        self._entry = next(self._entries, None)
        if self._entry is not None and (self._limit is None or self._listed < self._limit):
            entry = self._entry
            self._digest.add(entry.key, entry.source, entry.size, entry.label)
            self._listed += 1

    def close(self) -> Iterator[str]:
        """Photographs that only SRC or only the rows have, once all rows have been asked for."""
        while self._entry is not None:
            if self._limit is None or self._rows < self._limit:
                self._extra(self._entry)
            elif self._listed >= self._limit:
                break
            self._advance()
        yield from self._faults.lines()

    def size_faults(self) -> list[str]:
        """Photographs of another size than the plan says."""
        return list(self._sizes.lines())

    def digest(self) -> str:
        """`SourceDigest` of what a build would take of SRC now; after `close`."""
        return self._digest.hexdigest()


def planned_entries(split: str, sink: Sink) -> Iterator[ImageEntry]:
    """A split's photographs in the plan, in key order, until something cannot be read."""
    last = ""
    try:
        file = pa.ipc.open_file(sink.open(plan_entries_path(split)))
        for index in range(file.num_record_batches):
            batch = file.get_batch(index)
            # Arrow believes a damaged file, and reads text from anywhere in memory.
            batch.validate(full=True)
            for row in batch.to_pylist():
                if not isinstance(row["key"], str):
                    return
                # A photograph whose textures run over a shard's end is planned in both.
                if row["key"] != last:
                    yield ImageEntry(**row)
                last = row["key"]
    except (pa.ArrowException, OSError, StorageError, ValueError, TypeError, KeyError):
        # The fingerprint, which needs no such file, tells whether anything has changed.
        return
