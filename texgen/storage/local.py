"""A folder as OUT."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from texgen.core.config import Part
from texgen.core.errors import LockedError, ShardConflictError, StorageError
from texgen.core.hashing import sha256_file
from texgen.core.layout import BUILD, LOCK, PLAN, SCRATCH, log_path
from texgen.core.types import ArrowFile
from texgen.storage.errors import storage_errors
from texgen.storage.listing import files_below

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}
_NAMES_ITSELF_S = 1.0
"""Within which a build that has taken the lock has written into it who it is."""
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


class LocalSink:
    """Files below one folder; see `texgen.storage.Sink`.

    Args:
        root: OUT.
        part: What of the data set this process makes, None for all of it.

    Attributes:
        beat_s: See `Sink`.
        parallel: See `Sink`.
    """

    beat_s = 5.0
    parallel = 1

    def __init__(self, root: Path, part: Part | None = None) -> None:
        self._root = root
        self._part = part

    def first_unknown_file(self) -> str | None:
        """See `Sink.first_unknown_file`."""
        build = self._root / BUILD
        with storage_errors("look into", self._root):
            if not self._root.is_dir():
                return None
            # An empty one is all that a build has made that was killed before its lock. Looked
            # at first, since another build may be making its own.
            entries = self._root.iterdir()
            found = next((p.name for p in entries if p != build or _holds_something(p)), None)
            # Other programs name their folders _build too.
            ours = any((self._root / name).is_file() for name in (PLAN, LOCK))
            return None if ours else found

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """See `Sink.lock`. The kernel drops it when the process ends, however it ends."""
        if self._part is None:
            with self._locked(LOCK) as whole:
                self._sign(whole)
                yield
            return
        shared = self._locked(LOCK, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with shared as whole, self._locked(f"{LOCK}.{self._part.name}") as part:
            self._refuse_other_counts(self._part)
            self._sign(whole)
            self._sign(part)
            yield

    @contextlib.contextmanager
    def finish_lock(self) -> Iterator[None]:
        """See `Sink.finish_lock`."""
        with self._locked(f"{LOCK}.finish", fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _locked(self, name: str, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[int]:
        path = self._root / name
        with storage_errors("write to", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, how)
            except BlockingIOError as error:
                message = f"{self._root} is being written by {_holder(path)}; wait, or stop it"
                raise LockedError(message) from error
            except OSError as error:
                message = f"cannot lock {path}: {error.strerror}; name an OUT that can be locked"
                raise StorageError(message) from error
            yield descriptor
        finally:
            os.close(descriptor)

    def _sign(self, descriptor: int) -> None:
        """Writes the holder's name into a lock that is held."""
        about = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        about |= {"part": self._part.name} if self._part else {}
        with storage_errors("write to", self._root / LOCK):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(about).encode())

    def _refuse_other_counts(self, part: Part) -> None:
        """Parts of another count hold some of the same shards."""
        for path in sorted((self._root / BUILD).glob("lock.*-of-*")):
            if not path.name.endswith(f"-of-{part.count}"):
                with self._locked(f"{BUILD}/{path.name}"):
                    pass

    def list(self, prefix: str) -> dict[str, int]:
        """See `Sink.list`."""
        root = self._root / prefix
        return {
            Path(path).relative_to(self._root).as_posix(): size for path, size in files_below(root)
        }

    def open(self, path: str) -> ArrowFile:
        """See `Sink.open`."""
        place = self._root / path
        with storage_errors("read", place):
            # Arrow cannot map an empty file.
            return pa.memory_map(str(place)) if place.stat().st_size else pa.BufferReader(b"")

    def read(self, path: str, offset: int, length: int) -> bytes:
        """See `Sink.read`."""
        place = self._root / path
        with storage_errors("read", place), place.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def write(self, path: str, data: bytes) -> None:
        """See `Sink.write`."""
        part = self._beside(Path(path).name)
        with storage_errors("write", self._root / path):
            try:
                with part.open("wb") as file:
                    file.write(data)
                    os.fsync(file.fileno())
                self._place(part, path)
            except OSError:
                # The last thing that is written may be what fails.
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise

    def commit(self, file: Path, path: str, sha256: str, *, replace: bool = False) -> None:
        """See `Sink.commit`."""
        place = self._root / path
        with storage_errors("write", place):
            with file.open("rb") as part:
                os.fsync(part.fileno())
            if replace or self._linked(file, place):
                self._place(file, path)
                return
            found = sha256_file(place)
        if found != sha256:
            message = (
                f"{place} is there with other bytes (sha256 {found[:12]}…, made {sha256[:12]}…): "
                "delete it, and check that all nodes run the same texgen"
            )
            raise ShardConflictError(message)
        file.unlink(missing_ok=True)

    def _linked(self, file: Path, place: Path) -> bool:
        """Gives ``file`` the name ``place`` unless it is taken; False if it is."""
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return not place.exists()
        return True

    def _place(self, part: Path, path: str) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
        # A rename between two names of one file does nothing, so the old one may still be there.
        part.unlink(missing_ok=True)
        _flush_folder(place.parent)

    def remove(self, path: str) -> None:
        """See `Sink.remove`."""
        with storage_errors("delete", self._root / path):
            (self._root / path).unlink(missing_ok=True)

    def scratch(self) -> Path:
        """See `Sink.scratch`."""
        folder = self._scratch()
        with storage_errors("write to", folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear_scratch(self) -> None:
        """See `Sink.clear_scratch`."""
        shutil.rmtree(self._scratch(), ignore_errors=True)

    def _scratch(self) -> Path:
        folder = self._root / SCRATCH
        # Emptied without the other parts' files.
        return folder / self._part.name if self._part else folder

    def log_path(self) -> Path | None:
        """See `Sink.log_path`."""
        path = self._root / log_path(self._part.name if self._part else None)
        with storage_errors("write to", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def upload_log(self) -> None:
        """See `Sink.upload_log`."""

    def free_scratch_bytes(self) -> int | None:
        """See `Sink.free_scratch_bytes`."""
        return None

    def free_bytes(self) -> int | None:
        """See `Sink.free_bytes`."""
        with storage_errors("look into", self._root):
            return shutil.disk_usage(self._begin()).free

    def check_writable(self) -> None:
        """See `Sink.check_writable`."""
        build = self._root / BUILD
        with storage_errors("write to", self._root):
            for place in (self._begin(), *([build] if build.exists() else [])):
                _check_writable(place)

    def _begin(self) -> Path:
        """OUT; where it is not there yet, the folder which it will lie in."""
        return next((p for p in (self._root, *self._root.parents) if p.exists()), self._root)

    def _beside(self, name: str) -> Path:
        return self.scratch() / f"{name}.{socket.gethostname()}-{os.getpid()}.part"


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; its files are synced all the same.
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _check_writable(folder: Path) -> None:
    """Raises what the system would answer to a new file; `os.access` tells no reason."""
    code = 0
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        code = errno.EROFS
    elif not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EACCES
    if code:
        raise OSError(code, os.strerror(code), str(folder))


def _holds_something(path: Path) -> bool:
    return not path.is_dir() or any(path.iterdir())


def _holder(path: Path) -> str:
    """Who holds a lock; the holder may be just about to put its name in the place of another's."""
    deadline = time.monotonic() + _NAMES_ITSELF_S
    while True:
        try:
            about = json.loads(path.read_text())
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(about["since"]))
            part = f" (part {about['part']})" if "part" in about else ""
            named = f"process {about['pid']} on {about['host']} since {since}{part}"
            if about["host"] != socket.gethostname() or _runs(about["pid"]):
                return named
        except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
            pass
        if time.monotonic() > deadline:
            return "another process"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
