"""Files of this machine, as `texgen.storage.filesystem.FileSystem` has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from texgen.storage.ranges import RangeFile


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Folders and files; see `FileSystem`.

    Attributes:
        parallel: See `FileSystem`.
    """

    parallel: int = 1

    def kind(self, path: str) -> str | None:
        """See `FileSystem.kind`."""
        try:
            mode = Path(path).stat().st_mode
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            raise OSError(0, "it is neither a file nor a folder", path)
        return "folder" if stat.S_ISDIR(mode) else "file"

    def scan(self, path: str) -> Iterator[LocalItem]:
        """See `FileSystem.scan`."""
        with os.scandir(os.fsencode(path)) as entries:
            yield from (LocalItem(e) for e in entries if not e.name.startswith(b"."))

    def identity(self, path: str) -> Hashable:
        """See `FileSystem.identity`."""
        status = Path(path).stat()
        return status.st_dev, status.st_ino

    def open(self, path: str) -> RangeFile:
        """See `FileSystem.open`."""
        return _LocalFile(path)

    def read(self, path: str, size: int) -> tuple[bytes, int]:
        """See `FileSystem.read`."""
        with Path(path).open("rb") as file:
            data = file.read()
        return data, len(data)


class LocalItem:
    """See `texgen.storage.filesystem.Item`."""

    __slots__ = ("_entry", "name")

    def __init__(self, entry: os.DirEntry[bytes]) -> None:
        self._entry = entry
        self.name = entry.name

    def is_folder(self) -> bool:
        """See `Item.is_folder`."""
        try:
            return self._entry.is_dir()
        except OSError:  # a link to itself
            return False

    def is_file(self) -> bool:
        """See `Item.is_file`."""
        try:
            return self._entry.is_file()
        except OSError:
            return False

    def size(self) -> int | None:
        """See `Item.size`."""
        try:
            status = self._entry.stat()
        except OSError:
            return -1 if self._entry.is_symlink() else None
        return status.st_size if stat.S_ISREG(status.st_mode) else None


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
