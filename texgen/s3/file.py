"""An object as a seekable file, read in blocks."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from texgen.errors import StorageError
from texgen.s3.bucket import Bucket
from texgen.s3.faults import ConditionFailedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 4 << 20
_KEPT = 8
"""Blocks: a shard of the usual size stays as a whole, for those who read it twice."""


class ObjectFile(io.RawIOBase):
    """An object that is there when it is opened; its first block is then read already.

    So a small file costs one request. The blocks that were read last are kept.

    Args:
        bucket: Where it lies.
        path: Its path.

    Raises:
        MissingObjectError: If there is none.
        StorageError: If it cannot be read; on reading, too, and if it has changed since.
    """

    def __init__(self, bucket: Bucket, path: str) -> None:
        super().__init__()
        self._bucket = bucket
        self._path = path
        first = bucket.get(path, 0, BLOCK_BYTES)
        self._size, self._etag = first.size, first.etag
        self._blocks = OrderedDict({0: first.data})
        self._position = 0
        # Arrow reads from several threads.
        self._guard = threading.RLock()

    def readable(self) -> bool:
        """See `io.IOBase.readable`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase.seekable`."""
        return True

    def tell(self) -> int:
        """See `io.IOBase.tell`."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase.seek`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            message = f"negative position {base + offset}"
            raise ValueError(message)
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer as far as the file reaches: Arrow takes less for its end."""
        with self._guard:
            return self._readinto(memoryview(buffer).cast("B"))

    def _readinto(self, view: memoryview) -> int:
        done = 0
        while done < len(view) and self._position < self._size:
            number, offset = divmod(self._position, BLOCK_BYTES)
            piece = self._block(number)[offset : offset + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def _block(self, number: int) -> memoryview:
        if number not in self._blocks:
            begin = number * BLOCK_BYTES
            self._blocks[number] = self._read(begin, min(self._size, begin + BLOCK_BYTES))
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return memoryview(self._blocks[number])

    def _read(self, begin: int, end: int) -> bytes:
        try:
            return self._bucket.get(self._path, begin, end, self._etag).data
        except ConditionFailedError as error:
            url = self._bucket.address.url(self._path)
            message = f"{url} has changed while it was read; start again"
            raise StorageError(message) from error
