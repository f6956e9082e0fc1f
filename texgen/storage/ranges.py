"""Files that are read in pieces: layers above `texgen.storage.store.Store`."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from texgen.storage.errors import OutOfRangeError, storage_errors

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from texgen.storage.store import FileRange, Store

BLOCK_BYTES = 4 << 20
_BLOCKS_KEPT = 8
"""Enough to keep a whole shard of the usual size for those who read it twice."""


class RangeFile(Protocol):
    """A file of which any piece can be read.

    Attributes:
        ahead: Bytes that are worth reading at once where single small ones are wanted.
        name: Absolute, and the same by whatever path the file was opened.
    """

    ahead: int
    name: str

    def size(self) -> int:
        """Number of its bytes."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` on, fewer only at the end.

        Raises:
            OSError: If they cannot be read.
        """
        ...

    def stamp(self) -> str:
        """A text that changes whenever the file is written to."""
        ...


class PinnedFile:
    """A file of a store, which must stay as it is from its first piece on; see `RangeFile`.

    Each piece is a request: whoever wants many small ones takes a `BlockCache`. Threads may share
    it.

    Args:
        store: Where the file lies.
        path: Its path.
        name: See `RangeFile`.
    """

    ahead = 8 << 10
    """Bytes between two images of a WebDataset shard; the images' own bytes would cost more than
    they would save."""

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
        """See `RangeFile.read_at`; raises a `ChangedFileError` if the file has changed."""
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


class BlockCache:
    """The blocks of files that were read last; threads may share it.

    Files are assumed to stay as they are while they are open.

    Args:
        block_bytes: Bytes of a block.
        max_blocks: Number of blocks that are kept.
    """

    def __init__(self, block_bytes: int, max_blocks: int) -> None:
        self._block_bytes = block_bytes
        self._max_blocks = max_blocks
        self._blocks: OrderedDict[tuple[RangeFile, int], bytes] = OrderedDict()
        self._guard = threading.Lock()

    def read(self, file: RangeFile, offset: int, length: int) -> bytes:
        """See `RangeFile.read_at`; whole blocks are read of what is not kept."""
        first, skipped = divmod(offset, self._block_bytes)
        end = max(offset, offset + length - 1) // self._block_bytes + 1
        with self._guard:
            blocks = [self._kept(file, number) for number in range(first, end)]
        missing = [n for n, block in enumerate(blocks) if block is None]
        if missing:
            # One request: two would take longer than the blocks between them.
            begin, after = missing[0], missing[-1] + 1
            blocks[begin:after] = [self._fetched(file, first + begin, first + after)]
        return b"".join(block or b"" for block in blocks)[skipped : skipped + length]

    def _kept(self, file: RangeFile, number: int) -> bytes | None:
        block = self._blocks.get((file, number))
        if block is not None:
            self._blocks.move_to_end((file, number))
        return block

    def _fetched(self, file: RangeFile, first: int, end: int) -> bytes:
        size = self._block_bytes
        data = file.read_at(first * size, (end - first) * size)
        with self._guard:
            for at in range(0, len(data), size):
                self._blocks[file, first + at // size] = data[at : at + size]
                if len(self._blocks) > self._max_blocks:
                    self._blocks.popitem(last=False)
        return data


class RangeStream(io.RawIOBase):
    """A `RangeFile` as Python's own kind of file, for libraries that want one.

    Args:
        file: The file.
        blocks: What the file is read through; its first block is read at once, so that a small
            file costs one request. None reads just what is asked for.
        errors: What turns the errors of reading into others; None leaves them as they are.
    """

    def __init__(
        self,
        file: RangeFile,
        blocks: BlockCache | None = None,
        errors: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        super().__init__()
        self._read_at = functools.partial(blocks.read, file) if blocks else file.read_at
        if blocks:
            blocks.read(file, 0, 1)
        self._errors = errors
        self._size = file.size()
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sets the offset of the next byte that is read.

        Raises:
            ValueError: If it is negative, as a damaged file may demand.
        """
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """``size`` bytes, fewer only at the end."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        with self._errors():
            data = self._read_at(self._position, wanted) if wanted else b""
        self._position += len(data)
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer up to the end of the file: Arrow takes less for its end."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def open_blocks(file: RangeFile, place: str) -> RangeStream:
    """A file of OUT as a seekable stream that is read in blocks; the first one is read at once.

    Raises:
        StorageError: If it cannot be read, or has changed since; on reading too.
    """
    with storage_errors("read", place):
        blocks = BlockCache(BLOCK_BYTES, _BLOCKS_KEPT)
        return RangeStream(file, blocks, lambda: storage_errors("read", place))
