"""Errors of the loader processes: which limit of the machine each of them met.

torch reports them as texts only: an exception of a loader process arrives as a traceback inside a
message, and its death as a `RuntimeError` wherever the training happens to be.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from texgen.core.errors import TexgenError
from texgen.core.limits import limit_error
from texgen.core.text import format_bytes

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where shm_open has its files, not a temporary one
ENLARGE = (
    "enlarge it (docker run --shm-size=2g; on Kubernetes an emptyDir with medium Memory at "
    "/dev/shm), or use --workers 0, which needs none"
)
_MORE_MEMORY = "give the job or container more memory, or lower --workers or --batch-size"
_KILLED = f"the system killed a loader process (signal 9) because memory ran out: {_MORE_MEMORY}"
_GONE = (
    "a loader process ended without a reason, as it does if the system kills it (signal 9) because "
    f"memory ran out: {_MORE_MEMORY}"
)


class LoaderError(TexgenError):
    """The loader processes met a limit of the machine, or one of them was killed."""


def loader_error(error: BaseException) -> LoaderError | None:
    """Returns the limit that an error means while images are loaded; None if it means no limit."""
    if isinstance(error, (ConnectionError, EOFError)):
        # The socket of a process that ends closes, and the receiver may notice that first.
        return LoaderError(_KILLED)
    if not isinstance(error, (RuntimeError, OSError, MemoryError)):
        return None
    if limit := limit_error(error):
        return LoaderError(str(limit))
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    if "is killed by signal: Killed" in text:
        return LoaderError(_KILLED)
    if "exited unexpectedly" in text:
        # On a busy machine torch asks for the exit code before there is one.
        return LoaderError(_GONE)
    if "No space left on device" in text or "Bus error" in text:
        free = free_shared_memory()
        left = "" if free is None else f" ({format_bytes(free)} are free now)"
        return LoaderError(f"a batch found no room in {SHARED_MEMORY}{left}: {ENLARGE}")
    if is_loader_death(error):
        return LoaderError(f"a loader process ended: {text.splitlines()[0]}")
    return None


def is_loader_death(error: BaseException) -> bool:
    """Whether this is torch's error for a dead loader process; it may come up anywhere."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")


@contextlib.contextmanager
def loader_failures() -> Iterator[None]:
    """Explains errors of loader processes; encloses everything that uses their images.

    Raises:
        LoaderError: If torch raises an error that means a limit or a dead loader process.
    """
    try:
        yield
    except (RuntimeError, OSError, MemoryError, EOFError) as error:
        if threading.current_thread() is threading.main_thread():
            # torch's handler would raise again while the first error is handled.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        reader = reason_pipe()[0]
        if reader.poll():
            raise LoaderError(str(reader.recv())) from error
        if explained := loader_error(error):
            raise explained from error
        raise


def as_sample_error(error: TexgenError | MemoryError | OSError) -> TexgenError:
    """Returns an error that can be passed on in place of a sample; torch would make it a text.

    Raises:
        OSError: The given error, if it means no known limit.
    """
    if isinstance(error, TexgenError):
        return error
    if (explained := loader_error(error)) is None:
        raise error
    return explained


def end_loader_process(error: BaseException) -> None:
    """Ends this loader process, whose batches cannot be sent, and reports the reason.

    Without it torch prints a traceback and waits for the batch forever.
    """
    explained = loader_error(error) or LoaderError(
        f"a loader process cannot send its images ({type(error).__name__}: {error}); use "
        "--workers 0"
    )
    with contextlib.suppress(OSError):
        reason_pipe()[1].send(str(explained))
    os._exit(1)


@functools.cache
def reason_pipe() -> tuple[Connection, Connection]:
    """The pipe on which loader processes report why they end; created before they start."""
    return multiprocessing.Pipe(duplex=False)


def free_shared_memory() -> int | None:
    """Free bytes in /dev/shm; None if the system has no such folder."""
    try:
        stat = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    return stat.f_bavail * stat.f_frsize
