"""Files that are read in pieces, wherever they lie."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ChangedFileError(OSError):
    """A source's file was written anew while it was open."""


class RangeFile(Protocol):
    """A file of which any piece can be read.

    Attributes:
        ahead: Bytes that are worth reading at once where single small ones are wanted.
        name: Absolute and the same by whatever path it was opened.
    """

    ahead: int
    name: str

    def size(self) -> int:
        """Bytes of the file."""
        ...

    def stamp(self) -> str:
        """Another text whenever the file was written to."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` on, fewer only at the end of the file.

        Raises:
            OSError: If the storage of a source failed.
            StorageError: If that of OUT did.
        """
        ...


class InBlocks:
    """A `RangeFile` that reads whole blocks of another and keeps the last ones.

    The first block is read at once, so that a small file costs one request. Threads may
    share it.

    Args:
        file: The other.
        block_bytes: Of a block.
        kept: Number of blocks.
    """

    def __init__(self, file: RangeFile, block_bytes: int, kept: int) -> None:
        self._file = file
        self._block_bytes = block_bytes
        self._kept = kept
        self._blocks = OrderedDict({0: file.read_at(0, block_bytes)})
        self._guard = threading.Lock()
        self.ahead = file.ahead
        self.name = file.name

    def size(self) -> int:
        """See `RangeFile.size`."""
        return self._file.size()

    def stamp(self) -> str:
        """See `RangeFile.stamp`."""
        return self._file.stamp()

    def read_at(self, offset: int, length: int) -> bytes:
        """See `RangeFile.read_at`."""
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
    """A `RangeFile` as Python's own kind of file, for libraries that want one."""

    def __init__(self, file: RangeFile) -> None:
        super().__init__()
        self._file = file
        self._size = file.size()
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes elsewhere.

        Raises:
            ValueError: If that is before the begin, as a damaged file may ask for.
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
        found = self._file.read_at(self._position, wanted) if wanted else b""
        self._position += len(found)
        return found

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer as far as the file reaches: Arrow takes less for its end."""
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)
