"""Objects as files of which any piece can be read."""

from __future__ import annotations

from dataclasses import replace

from texgen.storage.ranges import InBlocks, RangeStream
from texgen.storage.s3.bucket import Bucket, StoredObject
from texgen.storage.s3.errors import ChangedObjectError, ConditionFailedError, OutOfRangeError

BLOCK_BYTES = 4 << 20
_KEPT = 8
"""Blocks: a shard of the usual size stays as a whole, for those who read it twice."""

_AHEAD = 8 << 10
"""What lies between two photographs of a WebDataset shard; their own bytes cost more than they
would save."""


class ObjectFile:
    """An object as a `RangeFile`; nothing is asked for before it is wanted.

    From then on the object must stay as it is. A request a piece: whoever wants many small
    ones takes `InBlocks`. Threads may share it.

    Args:
        bucket: Where it lies.
        path: Its path.

    Attributes:
        ahead: See `RangeFile`.
        name: See `RangeFile`.

    Raises:
        MissingObjectError: On asking, if there is none; and so the others.
        ChangedObjectError: If it has changed since the first time.
        StorageError: If it cannot be read.
    """

    ahead = _AHEAD

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket = bucket
        self._path = path
        self._seen: StoredObject | None = None
        self.name = f"{bucket.endpoint or ''} {bucket.address.url(path)}"

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
            found = self._bucket.get(self._path, offset, offset + length, etag)
        except OutOfRangeError:
            return b""
        except ConditionFailedError as error:
            deed = f"cannot read on in {self._bucket.address.url(self._path)}"
            why = "it has changed while it was read; start again"
            raise ChangedObjectError(deed, why) from error
        # Not its bytes, which may be many.
        self._seen = self._seen or replace(found, data=b"")
        return found.data

    def _about(self) -> StoredObject:
        if self._seen is None:
            self._seen = self._bucket.head(self._path)
        return self._seen


def open_object(bucket: Bucket, path: str) -> RangeStream:
    """An object as a seekable file, read in blocks; the first one is read at once.

    Raises:
        MissingObjectError: If there is none.
        StorageError: If it cannot be read; on reading, too, and if it has changed since.
    """
    return RangeStream(InBlocks(ObjectFile(bucket, path), BLOCK_BYTES, _KEPT))
