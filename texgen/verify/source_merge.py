"""Walks through SRC's images of a split and the data set's rows together, both in key order."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from texgen.core.errors import StorageError
from texgen.core.fingerprint import SourceDigest
from texgen.core.keys import image_key_of
from texgen.core.layout import plan_entries_path
from texgen.core.types import ImageEntry
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.plan_summary import format_image_size
from texgen.source import Source, SplitListing
from texgen.storage import Sink
from texgen.verify.findings import FaultsByKind

_NAMED = 1000
"""Images per kind of fault that are named; SRC may be an entirely different folder."""


class SourceMatcher:
    """Finds the images of a split's rows in SRC, and those that only one of the two has.

    Args:
        source: SRC.
        listing: The split in SRC.
        limit: Number of images per split that the build was limited to; None for no limit.
        planned: Images of the plan in key order, as far as they can be read.

    Attributes:
        size_faults: A fault per image whose size differs from the plan.
        digest: Digest of the images that a build would take now, complete after `finish`.

    Raises:
        SourceError: On creation or later, if SRC cannot be listed.
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
        self.digest = SourceDigest()
        self._listed = 0
        self._images_with_rows = 0
        self._key = ""
        self._match: ImageEntry | None = None
        self._faults = FaultsByKind("image", _NAMED)
        self.size_faults = FaultsByKind("image", _NAMED)
        self._entry: ImageEntry | None = None
        self._advance()

    def find(self, row: ManifestRow) -> ImageEntry | None:
        """Returns the image of a row, or None if SRC does not have it as it was planned.

        Args:
            row: Row whose key does not sort before the last one's.
        """
        key = image_key_of(row["key"])
        # Rows of an image's further textures follow at once.
        if key > self._key:
            self._key = key
            self._images_with_rows += 1
            self._match = self._find_next(key, row)
        return self._match if key == self._key else None

    def _find_next(self, key: str, row: ManifestRow) -> ImageEntry | None:
        while self._entry is not None and self._entry.key < key:
            self._add_extra(self._entry)
            self._advance()
        entry = self._entry
        if entry is None or entry.key != key:
            fault = f"SRC/{row['source']}: not there, but the data set has rows of it"
            self._faults.add("missing", fault)
            return None
        self._advance()
        return entry if self._has_planned_size(entry) else None

    def _has_planned_size(self, entry: ImageEntry) -> bool:
        while self._plan_entry is not None and self._plan_entry.key < entry.key:
            self._plan_entry = next(self._planned, None)
        planned = self._plan_entry
        if planned is None or planned.key != entry.key or planned.size == entry.size:
            return True
        sizes = f"{format_image_size(entry.size)}; {format_image_size(planned.size)} in the plan"
        self.size_faults.add("size", f"SRC/{entry.source}: {sizes}")
        return False

    def _add_extra(self, entry: ImageEntry) -> None:
        self._faults.add("extra", f"SRC/{entry.source}: the data set has no row of it")

    def _advance(self) -> None:
        self._entry = next(self._entries, None)
        if self._entry is not None and (self._limit is None or self._listed < self._limit):
            entry = self._entry
            self.digest.add(entry.key, entry.source, entry.size, entry.label)
            self._listed += 1

    def finish(self) -> Iterator[str]:
        """Yields a fault per image that only SRC or only the rows have, after the last row."""
        while self._entry is not None:
            if self._limit is None or self._images_with_rows < self._limit:
                self._add_extra(self._entry)
            elif self._listed >= self._limit:
                break
            self._advance()
        yield from self._faults.lines()


def planned_entries(split: str, sink: Sink) -> Iterator[ImageEntry]:
    """Yields a split's images in the plan, in key order, until something cannot be read."""
    last_key = ""
    try:
        file = pa.ipc.open_file(sink.open(plan_entries_path(split)))
        for index in range(file.num_record_batches):
            batch = file.get_batch(index)
            # Arrow trusts a damaged file, and would read strings from anywhere in memory.
            batch.validate(full=True)
            for row in batch.to_pylist():
                if not isinstance(row["key"], str):
                    return
                # An image whose textures lie in two shards is planned in both.
                if row["key"] != last_key:
                    yield ImageEntry(**row)
                last_key = row["key"]
    except (pa.ArrowException, OSError, StorageError, ValueError, TypeError, KeyError):
        # The fingerprint, which does not need this file, reveals any change.
        return
