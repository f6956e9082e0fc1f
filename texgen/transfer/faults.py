"""What networks and systems say of a file, as a `RemoteError`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import urllib3

from texgen.transfer.remote import RemoteError


@contextlib.contextmanager
def remote_errors(name: str) -> Iterator[None]:
    """Turns errors of a connection or a file into a `RemoteError` that names it."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        gone = isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError))
        message = f"{name}: {_reason(error)}"
        raise RemoteError(message, again=not gone) from error


def guarded(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Errors of reading, and not of what is done with what was read."""
    while True:
        with remote_errors(name):
            block = next(blocks, b"")
        if not block:
            return
        yield block


def _reason(error: Exception) -> str:
    """What happened, without the names of Python's classes around it."""
    inner = getattr(error, "reason", None) or error
    if isinstance(inner, OSError) and inner.errno:
        return os.strerror(inner.errno)
    return " ".join(str(inner).rsplit(": ", 1)[-1].split()) or type(inner).__name__
