"""A folder of this machine for files on their way to a bucket."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

from texgen.core.errors import StorageError
from texgen.core.temporary import temporary_root
from texgen.storage.errors import scratch_root, storage_errors

_folders: dict[tuple[Path, int], tuple[Path, int]] = {}
"""By the OUT's folder and process: the process's own folder, and its descriptor."""


class RemoteScratch:
    """One OUT's files on this machine, a folder for each process that makes some.

    A process holds a lock on its folder that the kernel drops when it ends, so that
    the folders of those that were killed can be told from others, on every node.

    Args:
        out: OUT.
        name: Of what this process makes, for its log.
    """

    def __init__(self, out: str, name: str) -> None:
        self._root = scratch_root() / hashlib.sha256(out.encode()).hexdigest()[:16]
        self._name = name
        # One log a run: there is nothing that one could append to in a bucket.
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._log = f"{stamp}-{socket.gethostname()}-{os.getpid()}.{name}.log"

    def folder(self) -> Path:
        """This process's folder, made when it is first asked for."""
        known = _folders.get((self._root, os.getpid()))
        if known and known[0].is_dir():
            return known[0]
        with storage_errors("write to", self._root):
            self._check_owner()
            while True:
                # Between two steps another process may take it for a dead one's.
                with contextlib.suppress(FileNotFoundError):
                    self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                    made = Path(tempfile.mkdtemp(prefix="", dir=self._root))
                    descriptor = os.open(made, os.O_RDONLY)
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                    if made.is_dir():
                        _folders[self._root, os.getpid()] = made, descriptor
                        return made
                    os.close(descriptor)

    def _check_owner(self) -> None:
        """Others must not be able to look into, or to put, what will be a data set."""
        root = scratch_root()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.is_symlink() or root.stat().st_uid != os.getuid():
            message = f"{root} belongs to somebody else; set TMPDIR to a folder of your own"
            raise StorageError(message)

    def clear(self) -> None:
        """Deletes this process's folder and those of processes that have ended."""
        own = _folders.pop((self._root, os.getpid()), None)
        if own:
            os.close(own[1])
        for folder in self._root.glob("*"):
            if folder.name != "logs":
                _delete_if_dead(folder)
        self._leave()

    def log_path(self) -> Path:
        """Where this run's log is kept until it is uploaded."""
        folder = self._logs()
        with storage_errors("write to", folder):
            self._check_owner()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / self._log

    def logs(self) -> list[Path]:
        """This run's log, and those of earlier ones that were killed before theirs was uploaded."""
        return sorted(self._logs().glob(f"*.{self._name}.log"))

    def forget(self, log: Path) -> None:
        """Deletes a log that was uploaded."""
        with contextlib.suppress(OSError):
            log.unlink()
        self._leave()

    def free_bytes(self) -> int:
        """Free space where the files lie."""
        place = temporary_root()
        with storage_errors("look into", place):
            return shutil.disk_usage(place).free

    def _logs(self) -> Path:
        return self._root / "logs"

    def _leave(self) -> None:
        """Deletes the folders if nothing is in them."""
        for folder in (self._logs(), self._root, self._root.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _delete_if_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
