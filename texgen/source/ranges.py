"""Files that are read in pieces: the one place that knows where a source's files lie."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Protocol


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
            OSError: If the storage failed.
        """
        ...


class _LocalFile:
    """A `RangeFile` of the file system; closed when nothing refers to it any more."""

    ahead = 4096

    def __init__(self, path: str) -> None:
        # A pipe or a device would block whoever opens it.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise FileNotFoundError(0, "it is not a file", path)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.name = os.path.realpath(path)

    def __del__(self) -> None:
        if (descriptor := getattr(self, "_descriptor", None)) is not None:
            os.close(descriptor)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def stamp(self) -> str:
        return str(os.fstat(self._descriptor).st_mtime_ns)

    def read_at(self, offset: int, length: int) -> bytes:
        found = os.pread(self._descriptor, length, offset)
        if len(found) == length or not found:
            return found
        # The system hands over 2 GiB at once at most, and some file systems less.
        pieces = [found]
        while found and (left := length - sum(map(len, pieces))):
            found = os.pread(self._descriptor, left, offset + length - left)
            pieces.append(found)
        return b"".join(pieces)


def open_range(path: str) -> RangeFile:
    """Opens a file for reading in pieces.

    Raises:
        OSError: If it is not there or may not be read.
    """
    return _LocalFile(path)


def kind_of(path: str) -> str | None:
    """``file`` or ``folder``, and None where there is nothing.

    Raises:
        OSError: If that cannot be found out, or it is neither.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise OSError(0, "it is neither a file nor a folder", path)
    return "folder" if stat.S_ISDIR(mode) else "file"


def list_folder(path: str) -> tuple[list[str], list[str]]:
    """Names of the files and of the folders in a folder, sorted; links are followed.

    Names that begin with a dot are left out, and so is what is neither.

    Raises:
        OSError: If it cannot be listed.
    """
    files, folders = [], []
    with os.scandir(path) as found:
        for entry in found:
            if entry.name.startswith("."):
                continue
            with contextlib.suppress(OSError):  # a link to itself
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    return sorted(files, key=os.fsencode), sorted(folders, key=os.fsencode)


def first_names(path: str, most: int) -> list[str]:
    """Some of the names in a folder, for a look at what it holds.

    Raises:
        OSError: If it cannot be listed.
    """
    with os.scandir(path) as found:
        return [entry.name for entry in itertools.islice(found, most)]


class OpenFiles:
    """Keeps the files that were read last open.

    Args:
        root: Folder of the paths.
        most: Number of them.
    """

    def __init__(self, root: str, most: int = 16) -> None:
        self._root = root
        self._most = most
        self._open: OrderedDict[str, RangeFile] = OrderedDict()

    def get(self, path: str) -> RangeFile:
        """The file at ``path`` below the root.

        Raises:
            OSError: If it is not there or may not be read.
        """
        file = self._open.pop(path, None) or open_range(f"{self._root}/{path}")
        self._open[path] = file
        if len(self._open) > self._most:
            self._open.popitem(last=False)
        return file


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
        """Goes elsewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """``size`` bytes, fewer only at the end."""
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        found = self._file.read_at(self._position, wanted) if wanted else b""
        self._position += len(found)
        return found
