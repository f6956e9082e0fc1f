"""Folders for files that will be committed, and the build's log: in OUT, or on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import StorageError
from texgen.storage.errors import scratch_root, storage_errors

_folders: dict[tuple[Path, int], tuple[Path, int]] = {}
"""By the OUT's folder and process: the process's own folder, and its descriptor."""


class ScratchFolder:
    """Local files of one part of a build, until they are in OUT.

    It lies inside OUT, so that a commit is a rename; logs are in OUT from the beginning.

    Args:
        folder: The folder.
        log: The file of this run's log.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log

    def folder(self) -> Path:
        """A folder for files that will be committed."""
        with storage_errors("write to", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def clear(self) -> None:
        """Deletes what attempts of this part that were killed left behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def log_path(self) -> Path:
        """The file of this run's log; in OUT, runs append to one log."""
        with storage_errors("write to", self._log.parent):
            self._log.parent.mkdir(parents=True, exist_ok=True)
        return self._log

    def finished_logs(self) -> list[Path]:
        """Closed logs that are not in OUT yet, those of runs that were killed among them."""
        return []

    def forget(self, log: Path) -> None:
        """Deletes a log that has been put in OUT."""


class MachineScratch(ScratchFolder):
    """Files on this machine, a folder for each process that makes some, for an OUT elsewhere.

    A process holds a lock on its folder that the kernel drops when it ends, so that the folders
    of killed processes can be recognised on every node.

    Args:
        out: OUT.
        name: Name of what this process makes, for its log.
    """

    def __init__(self, out: str, name: str) -> None:
        folder = scratch_root() / hashlib.sha256(out.encode()).hexdigest()[:16]
        # One log a run, since nothing can be appended to an object of a bucket.
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        log = f"{stamp}-{socket.gethostname()}-{os.getpid()}.{name}.log"
        super().__init__(folder, folder / "logs" / log)
        self._name = name

    def folder(self) -> Path:
        """See `ScratchFolder.folder`; it is made when it is first asked for."""
        known = _folders.get((self._folder, os.getpid()))
        if known and known[0].is_dir():
            return known[0]
        with storage_errors("write to", self._folder):
            _check_owner()
            while True:
                # Between two steps another process may take it for that of an ended one.
                with contextlib.suppress(FileNotFoundError):
                    self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    made = Path(tempfile.mkdtemp(prefix="", dir=self._folder))
                    descriptor = os.open(made, os.O_RDONLY)
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                    if made.is_dir():
                        _folders[self._folder, os.getpid()] = made, descriptor
                        return made
                    os.close(descriptor)

    def clear(self) -> None:
        """See `ScratchFolder.clear`; deletes this process's folder too."""
        own = _folders.pop((self._folder, os.getpid()), None)
        if own:
            os.close(own[1])
        for folder in self._folder.glob("*"):
            if folder.name != "logs":
                _delete_if_unlocked(folder)
        self._delete_empty()

    def log_path(self) -> Path:
        """See `ScratchFolder.log_path`; the file is put in OUT when it is closed."""
        folder = self._log.parent
        with storage_errors("write to", folder):
            _check_owner()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._log

    def finished_logs(self) -> list[Path]:
        """See `ScratchFolder.finished_logs`."""
        return sorted(self._log.parent.glob(f"*.{self._name}.log"))

    def forget(self, log: Path) -> None:
        """See `ScratchFolder.forget`."""
        with contextlib.suppress(OSError):
            log.unlink()
        self._delete_empty()

    def _delete_empty(self) -> None:
        for folder in (self._log.parent, self._folder, self._folder.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def scratch_folder(scratch: Path) -> Iterator[Path]:
    """A folder below ``scratch`` that is deleted afterwards.

    Raises:
        StorageError: If it cannot be made.
    """
    with storage_errors("write to", scratch):
        folder = tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


def _check_owner() -> None:
    """Refuses a folder of another user, who could read or replace what will be a data set."""
    root = scratch_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise StorageError(f"{root} belongs to somebody else; set TMPDIR to a folder of your own")


def _delete_if_unlocked(folder: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
