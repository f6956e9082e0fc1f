"""Failures of the processes that load images: which limit of the machine each of them met.

torch tells them by texts alone: a worker's exception arrives as a traceback inside of a message,
and the death of a worker as a `RuntimeError` wherever the training happens to be.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from texgen.core.errors import TexgenError
from texgen.core.text import format_bytes

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where shm_open has its files, not a temporary one
ENLARGE = (
    "enlarge it (docker run --shm-size=2g; on Kubernetes an emptyDir with medium Memory at "
    "/dev/shm), or take --workers 0, which needs none"
)
_FILES = "too many files are open: raise the limit (ulimit -n), or take fewer --workers"
_PROCESSES = (
    "the system starts no more processes or threads for this user: raise the limit (ulimit -u, or "
    "the container's or job's limit of pids), or take fewer --workers"
)
_MEMORY = (
    "memory is used up: give the job or container more, or lower --workers, --batch-size or the "
    "size of the photographs"
)
_BY_NUMBER = {
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}
_MORE_MEMORY = "give the job or container more memory, or lower --workers or --batch-size"
_KILLED = (
    f"a loader process was killed, by the system (signal 9) where memory ran out: {_MORE_MEMORY}"
)
_GONE = (
    "a loader process ended without a reason, as one does that the system kills (signal 9) where "
    f"memory ran out: {_MORE_MEMORY}"
)
_BY_TEXT = {
    "can't start new thread": _PROCESSES,
    "Too many open files": _FILES,
    # What a socket without a free descriptor gives for one that was sent.
    "items of ancdata": _FILES,
    "ancillary data": _FILES,
    "Cannot allocate memory": _MEMORY,
    "can't allocate memory": _MEMORY,
    "is killed by signal: Killed": _KILLED,
    # torch asks for an exit code before there is one, where the machine is busy.
    "exited unexpectedly": _GONE,
}


class LoaderError(TexgenError):
    """The processes that load images met a limit of the machine, or one of them was killed."""


def loader_error(error: BaseException) -> LoaderError | None:
    """The limit that is behind an error while images are loaded; None where it is another one's.

    Args:
        error: Of a process that loads, or of the one that it loads for.
    """
    text = str(error)
    if isinstance(error, MemoryError):
        return LoaderError(_MEMORY)
    if isinstance(error, (ConnectionError, EOFError)):
        # Its socket goes with it, which the receiver may notice first.
        return LoaderError(_KILLED)
    if isinstance(error, OSError):
        hint = _BY_NUMBER.get(error.errno or 0)
        return None if hint is None else LoaderError(hint)
    if not isinstance(error, RuntimeError):
        return None
    for part, hint in _BY_TEXT.items():
        if part in text:
            return LoaderError(hint)
    if "No space left on device" in text or "Bus error" in text:
        return LoaderError(f"a batch found no room in {SHARED_MEMORY}{_free()}: {ENLARGE}")
    if is_loader_death(error):
        return LoaderError(f"a loader process ended: {text.splitlines()[0]}")
    return None


def is_loader_death(error: BaseException) -> bool:
    """Whether torch tells that a loader process died; it does so wherever the main thread is."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")


def _hear_of_no_more_deaths() -> None:
    """Takes torch's handler away, which would raise once more while the first error is told."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@contextlib.contextmanager
def loader_failures() -> Iterator[None]:
    """Says of a failed loader process what it failed for; wraps all that consumes its images.

    Raises:
        LoaderError: Instead of what torch raises.
    """
    try:
        yield
    except (RuntimeError, OSError, MemoryError, EOFError) as error:
        _hear_of_no_more_deaths()
        if reason := _reported():
            raise LoaderError(reason) from error
        if found := loader_error(error):
            raise found from error
        raise


def as_sample_error(error: TexgenError | MemoryError | OSError) -> TexgenError:
    """An error as it is handed on in the place of a sample: torch would make a text of it.

    Raises:
        OSError: The given one, where it is of no known limit.
    """
    if isinstance(error, TexgenError):
        return error
    if (found := loader_error(error)) is None:
        raise error
    return found


def give_up(error: BaseException) -> None:
    """Ends this loader process, whose batches cannot be sent, and leaves word why.

    Without it torch prints a traceback and waits for the batch forever.
    """
    found = loader_error(error) or LoaderError(
        f"a loader process cannot send its images ({type(error).__name__}: {error}); take "
        "--workers 0"
    )
    with contextlib.suppress(OSError):
        reports()[1].send(str(found))
    os._exit(1)


@functools.cache
def reports() -> tuple[Connection, Connection]:
    """A pipe on which loader processes leave why they ended; made before they start."""
    return multiprocessing.Pipe(duplex=False)


def _reported() -> str | None:
    reader = reports()[0]
    return str(reader.recv()) if reader.poll() else None


def free_shared_memory() -> int | None:
    """Bytes that can be had in /dev/shm; None where there is no such place."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _free() -> str:
    free = free_shared_memory()
    return "" if free is None else f" ({format_bytes(free)} are free now)"
