"""`LocalStore`: files of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from texgen.core.config import Part
from texgen.core.layout import SCRATCH
from texgen.storage.entries import LocalEntry
from texgen.storage.errors import ConditionFailedError, UnsupportedError, storage_errors
from texgen.storage.locks import FolderLock
from texgen.storage.ranges import RangeFile
from texgen.storage.store import ANYTHING, NOTHING, Content, FileRange, Store, Written

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


@dataclass(frozen=True, slots=True)
class LocalStore(Store):
    """Files below a folder; see `texgen.storage.store.Store`.

    Attributes:
        root: The folder; empty for absolute paths alone.
        drafts: Folder below it for files that are being written.
    """

    root: str = ""
    drafts: str = SCRATCH

    def place(self, path: str = "") -> str:
        """See `Store.place`."""
        return os.path.join(self.root, path) if path else self.root  # noqa: PTH118 - called often

    def local_path(self, path: str = "") -> Path:
        """See `Store.local_path`."""
        return Path(self.root, path)

    def list(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """See `Store.list`."""
        base = self.root.rstrip("/")
        for path, size in _files_below(f"{base}/{folder}" if folder else self.root):
            yield path[len(base) + 1 :], size

    def scan(self, folder: str, *, hidden: bool = False) -> Iterator[LocalEntry]:
        """See `Store.scan`; no file is looked at before its size is asked for."""
        with os.scandir(os.fsencode(self.local_path(folder))) as entries:
            yield from (LocalEntry(e) for e in entries if hidden or not e.name.startswith(b"."))

    def kind(self, path: str) -> str | None:
        """See `Store.kind`."""
        try:
            mode = self.local_path(path).stat().st_mode
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            raise OSError(0, "it is neither a file nor a folder", path)
        return "folder" if stat.S_ISDIR(mode) else "file"

    def identity(self, folder: str) -> Hashable:
        """See `Store.identity`."""
        status = self.local_path(folder).stat()
        return status.st_dev, status.st_ino

    def head(self, path: str) -> FileRange:
        """See `Store.head`."""
        return _range_of(self.local_path(path).stat(), b"")

    def get_range(
        self, path: str, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> FileRange:
        """See `Store.get_range`."""
        with open(self.place(path), "rb", buffering=0) as file:  # noqa: PTH123 - already a path
            status = os.fstat(file.fileno())
            length = max(0, (status.st_size if end is None else end) - start)
            found = _range_of(status, _read_at(file.fileno(), start, length))
        if etag is not None and found.etag != etag:
            raise self._changed(path)
        return found

    def open(self, path: str) -> RangeFile:
        """See `Store.open`."""
        return _LocalFile(str(self.local_path(path)))

    def put(
        self, path: str, content: Content, sha256: str | None = None, *, over: str = ANYTHING
    ) -> Written:
        """See `Store.put`. A file is linked or renamed to its place, so it never is there in part.

        Raises:
            UnsupportedError: If an ETag is demanded.
        """
        del sha256  # nothing reads the file on its way
        place = self.local_path(path)
        if over not in (ANYTHING, NOTHING):
            raise UnsupportedError(str(place), "a folder cannot compare and write", "write")
        if isinstance(content, Path):
            return _put_in_place(content, place, absent=over == NOTHING)
        folder = self.local_path(self.drafts)
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{place.name}.{socket.gethostname()}-{os.getpid()}.part"
        try:
            draft.write_bytes(content)
            return _put_in_place(draft, place, absent=over == NOTHING)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """See `Store.delete`."""
        self.local_path(path).unlink(missing_ok=True)

    def lock(self, part: Part | None) -> FolderLock:
        """See `Store.lock`."""
        return FolderLock(self.local_path(), part)


class _LocalFile:
    """A `RangeFile` that keeps a descriptor open; it is closed when nothing refers to it."""

    ahead = 4096

    def __init__(self, path: str) -> None:
        # A pipe or a device would block its reader.
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
        return _read_at(self._descriptor, offset, length)


def _read_at(descriptor: int, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    # The system gives 2 GiB at once at most, and some file systems less.
    pieces = [data]
    while data and (left := length - sum(map(len, pieces))):
        data = os.pread(descriptor, left, offset + length - left)
        pieces.append(data)
    return b"".join(pieces)


def _range_of(status: os.stat_result, data: bytes) -> FileRange:
    age_s = time.time() - status.st_mtime
    return FileRange(data, status.st_size, str(status.st_mtime_ns), age_s)


def _files_below(root: str) -> Iterator[tuple[str, int]]:
    """Path and size of every file below ``root``; see `Store.list` for links."""
    pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [(root, ())]
    while pending:
        folder, above = pending.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116 - this is a loop over many
            with os.scandir(folder) as scan:
                entries = list(scan)
        except FileNotFoundError:
            continue
        here = (*above, (status.st_dev, status.st_ino))
        for entry in entries:
            found = _status_of(entry)
            if found is None:
                continue
            if not stat.S_ISDIR(found.st_mode):
                yield entry.path, -1 if stat.S_ISLNK(found.st_mode) else found.st_size
            elif (found.st_dev, found.st_ino) in here:
                yield entry.path, -1
            else:
                pending.append((entry.path, here))


def _status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Status of an entry, or of the link itself if it leads nowhere; None if it is gone."""
    try:
        return entry.stat()
    except OSError:
        # Attempts that end delete their files, so an entry may be gone since the listing.
        with contextlib.suppress(FileNotFoundError):
            return entry.stat(follow_symlinks=False)
    return None


def _put_in_place(file: Path, place: Path, *, absent: bool) -> Written:
    """Gives a finished file its final name, once its bytes are on the disk."""
    status = _flush(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not absent:
        file.replace(place)
    elif not _linked(file, place):
        raise ConditionFailedError(str(place), "it is there already", "write")
    try:
        _flush(place.parent)
    except OSError as error:
        # Some network file systems cannot sync a folder; its files are synced all the same.
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    return Written(str(status.st_mtime_ns))


def _linked(file: Path, place: Path) -> bool:
    """Gives ``file`` the name ``place`` unless it is taken; False if it is."""
    try:
        os.link(file, place)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if place.exists():
            return False
        file.replace(place)
    return True


def _flush(path: Path) -> os.stat_result:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Free space of the disk of a folder, which need not be there yet.

    Raises:
        StorageError: If it cannot be found out.
    """
    with storage_errors("look into", folder):
        return shutil.disk_usage(_first_existing(folder)).free


def check_writable(folder: Path, inner: Path) -> None:
    """Raises what the system would answer to a new file in a folder, without making one.

    If the folder is not there, the one that it will lie in counts; ``inner`` counts if it is there.
    """
    for place in (_first_existing(folder), *([inner] if inner.exists() else [])):
        # `os.access` tells no reason.
        code = 0
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            code = errno.EROFS
        elif not os.access(place, os.W_OK | os.X_OK):
            code = errno.EACCES
        if code:
            raise OSError(code, os.strerror(code), str(place))


def _first_existing(folder: Path) -> Path:
    return next((p for p in (folder, *folder.parents) if p.exists()), folder)
