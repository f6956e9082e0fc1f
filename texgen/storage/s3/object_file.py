"""Objects as files of which any piece can be read."""

from __future__ import annotations

from dataclasses import replace

from texgen.storage.errors import OutOfRangeError
from texgen.storage.store import FileRange, Store

_AHEAD = 8 << 10
"""Bytes between two images of a WebDataset shard; the images' own bytes would cost more than
they would save."""


class ObjectFile:
    """An object as a `RangeFile`; nothing is requested before it is wanted.

    From then on the object must stay as it is. Each piece is a request: whoever wants many small
    ones takes a `texgen.storage.ranges.BlockCache`. Threads may share it.

    Args:
        store: Where the object lies.
        path: Its path.
        name: See `RangeFile`.

    Attributes:
        ahead: See `RangeFile`.
        name: See `RangeFile`.

    Raises:
        ChangedFileError: On reading, if the object has changed since the first time.
        OSError: On reading, and on asking for size and stamp.
    """

    ahead = _AHEAD

    def __init__(self, store: Store, path: str, name: str) -> None:
        self._store = store
        self._path = path
        self._seen: FileRange | None = None
        self.name = name

    def size(self) -> int:
        """See `RangeFile.size`."""
        return self._about().size

    def stamp(self) -> str:
        """See `RangeFile.stamp`."""
        return self._about().etag

    def read_at(self, offset: int, length: int) -> bytes:
        """See `RangeFile.read_at`."""
        if length <= 0:
            return b""
        etag = self._seen.etag if self._seen else None
        try:
            found = self._store.get_range(self._path, offset, offset + length, etag)
        except OutOfRangeError:
            return b""
        # The data are not kept, since they may be large.
        self._seen = self._seen or replace(found, data=b"")
        return found.data

    def _about(self) -> FileRange:
        if self._seen is None:
            self._seen = self._store.head(self._path)
        return self._seen
