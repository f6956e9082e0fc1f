"""What networks and systems say of a file, as a `RemoteError`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import urllib3

from texgen.storage.network.causes import Cause, cause_of
from texgen.storage.remote import RemoteError


@contextlib.contextmanager
def remote_errors(name: str) -> Iterator[None]:
    """Turns errors of a connection or a file into a `RemoteError` that names it."""
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        message = f"{name}: {os.strerror(error.errno or 0)}"
        raise RemoteError(message, again=False) from error
    except urllib3.exceptions.DecodeError as error:
        message = f"{name}: the server says that it is compressed, and it cannot be unpacked"
        raise RemoteError(message, again=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        cause = cause_of(error) or Cause(f"it cannot be read ({type(error).__name__})")
        message = f"{name}: {cause}"
        raise RemoteError(message, again=cause.passing) from error


def guarded(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Errors of reading, and not of what is done with what was read."""
    while True:
        with remote_errors(name):
            block = next(blocks, b"")
        if not block:
            return
        yield block
