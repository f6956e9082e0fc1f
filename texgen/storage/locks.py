"""Locks that keep two builds from writing the same OUT; this module holds that of a folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from texgen.core.config import Part
from texgen.core.errors import LockedError, StorageError
from texgen.core.layout import BUILD, LOCK
from texgen.core.system import current_process, is_gone
from texgen.storage.errors import storage_errors

_SIGNS_WITHIN_S = 1.0
"""Time within which a build that has taken the lock has written its name into it."""


class Lock(Protocol):
    """Keeps other writers out of OUT."""

    def held(self) -> AbstractContextManager[None]:
        """Keeps other writers out while it is held; other parts of the same build may enter.

        Raises:
            LockedError: If another process holds the lock; names the holder.
        """
        ...

    def finishing(self) -> AbstractContextManager[None]:
        """Held by one part at a time; the others wait for it."""
        ...

    def check(self) -> None:
        """Checks before each write that this process still holds what it has taken.

        Raises:
            LockedError: If another process has taken the lock over.
        """
        ...


def current_holder(part: Part | None) -> dict[str, Any]:
    """What this process writes into a lock that it takes."""
    about = {**current_process(), "since": time.time()}
    return about | ({"part": part.name} if part else {})


def describe_holder(about: Mapping[str, Any]) -> str | None:
    """The process that holds a lock, for people; None if the lock does not tell it.

    Args:
        about: What the holder has written into the lock.
    """
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(about["since"]))
        part = f" (part {about['part']})" if "part" in about else ""
        return f"process {about['pid']} on {about['host']} since {since}{part}"
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


class FolderLock:
    """Locks of the kernel on files below OUT, which end with the process, however it ends."""

    def __init__(self, root: Path, part: Part | None) -> None:
        self._root = root
        self._part = part

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Lock.held`."""
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
    def finishing(self) -> Iterator[None]:
        """See `Lock.finishing`."""
        with self._locked(f"{LOCK}.finish", fcntl.LOCK_EX):
            yield

    def check(self) -> None:
        """See `Lock.check`; the kernel takes no lock away."""

    @contextlib.contextmanager
    def _locked(self, name: str, flags: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[int]:
        path = self._root / name
        with storage_errors("write to", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, flags)
            except BlockingIOError as error:
                raise LockedError(
                    f"{self._root} is being written by {_holder(path)}; wait, or stop it"
                ) from error
            except OSError as error:
                raise StorageError(
                    f"cannot lock {path}: {error.strerror}; name an OUT that can be locked"
                ) from error
            yield descriptor
        finally:
            os.close(descriptor)

    def _sign(self, descriptor: int) -> None:
        """Writes this process's name into a lock that it holds."""
        about = json.dumps(current_holder(self._part)).encode()
        with storage_errors("write to", self._root / LOCK):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, about)

    def _refuse_other_counts(self, part: Part) -> None:
        """Refuses parts of another count, which hold some of the same shards."""
        for path in sorted((self._root / BUILD).glob("lock.*-of-*")):
            if not path.name.endswith(f"-of-{part.count}"):
                with self._locked(f"{BUILD}/{path.name}"):
                    pass


def _holder(path: Path) -> str:
    """The process that holds a lock, which may still be replacing another's name by its own."""
    deadline = time.monotonic() + _SIGNS_WITHIN_S
    while True:
        with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
            about = json.loads(path.read_text())
            holder = describe_holder(about)
            # A lock of an older texgen, or on a system without /proc, holds host and number alone.
            if holder and not (about["host"] == socket.gethostname() and is_gone(about["pid"])):
                return holder
        if time.monotonic() > deadline:
            return "another process"
        time.sleep(0.02)
