"""Files that are read in pieces: layers above `texgen.storage.store.Store`."""

from __future__ import annotations

import contextlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from texgen.storage.errors import storage_errors

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 4 << 20
_BLOCKS_KEPT = 8
"""Enough to keep a whole shard of the usual size for those who read it twice."""


class Pieces(Protocol):
    """Bytes of which any piece can be read."""

    def size(self) -> int:
        """Number of the bytes."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` on, fewer only at the end.

        Raises:
            OSError: If they cannot be read.
        """
        ...


class RangeFile(Pieces, Protocol):
    """A file of which any piece can be read.

    Attributes:
        ahead: Bytes that are worth reading at once where single small ones are wanted.
        name: Absolute, and the same by whatever path the file was opened.
    """

    ahead: int
    name: str

    def stamp(self) -> str:
        """A text that changes whenever the file is written to."""
        ...


class BlockFile:
    """Reads whole blocks of a file and keeps the last ones.

    The first block is read at once, so that a small file costs one request. Threads may
    share it.

    Args:
        file: The file.
        block_bytes: Bytes of a block.
        kept: Number of blocks that are kept.
    """

    def __init__(self, file: Pieces, block_bytes: int, kept: int) -> None:
        self._file = file
        self._block_bytes = block_bytes
        self._kept = kept
        self._blocks = OrderedDict({0: file.read_at(0, block_bytes)})
        self._guard = threading.Lock()

    def size(self) -> int:
        """See `Pieces.size`."""
        return self._file.size()

    def read_at(self, offset: int, length: int) -> bytes:
        """See `Pieces.read_at`."""
        end = min(offset + length, self.size())
        pieces = []
        with self._guard:
            while offset < end:
                number, first = divmod(offset, self._block_bytes)
                piece = self._block(number)[first : first + end - offset]
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
        return b"".join(pieces)

    def _block(self, number: int) -> memoryview:
        if number not in self._blocks:
            begin = number * self._block_bytes
            length = min(self._block_bytes, self.size() - begin)
            self._blocks[number] = self._file.read_at(begin, length)
            if len(self._blocks) > self._kept:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return memoryview(self._blocks[number])


class RangeStream(io.RawIOBase):
    """A `RangeFile` as Python's own kind of file, for libraries that want one.

    Args:
        file: The file.
        errors: What turns the errors of reading into others; None leaves them as they are.
    """

    def __init__(
        self, file: Pieces, errors: Callable[[], AbstractContextManager[None]] | None = None
    ) -> None:
        super().__init__()
        self._file = file
        self._errors = errors or contextlib.nullcontext
        self._size = file.size()
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Offset of the next byte that is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sets the offset of the next byte that is read.

        Raises:
            ValueError: If it is negative, as a damaged file may demand.
        """
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            message = f"negative position {base + offset}"
            raise ValueError(message)
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """``size`` bytes, fewer only at the end."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        with self._errors():
            data = self._file.read_at(self._position, wanted) if wanted else b""
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
        blocks = BlockFile(file, BLOCK_BYTES, _BLOCKS_KEPT)
        return RangeStream(blocks, lambda: storage_errors("read", place))
