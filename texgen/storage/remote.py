"""Files of a data set that is downloaded, and the errors that a download reports."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from texgen.core.errors import TexgenError
from texgen.storage.errors import OutOfRangeError, StoreError
from texgen.storage.network.causes import Cause, cause_of
from texgen.storage.store import Stream, StreamStore, guarded

_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class RemoteError(TexgenError):
    """A file cannot be fetched.

    Args:
        message: Names the file and what happened.
        again: Whether another try may succeed.
        after_s: Pause that the server asks for before another try, s.
    """

    def __init__(self, message: str, again: bool, after_s: float = 0) -> None:
        super().__init__(message, again, after_s)
        self.again, self.after_s = again, after_s

    def __str__(self) -> str:
        return str(self.args[0])


@contextlib.contextmanager
def open_remote_file(store: StreamStore, path: str, offset: int = 0) -> Iterator[Stream]:
    """A file from ``offset`` to its end.

    Errors of reading become a `RemoteError`; those of the code that uses the bytes do not.

    Raises:
        RemoteError: If it cannot be read; while the blocks are read, too.
    """
    place = store.place(path)
    with contextlib.ExitStack() as stack:
        with _remote_errors(place, offset):
            stream = stack.enter_context(store.stream(path, offset))
        yield Stream(stream.offset, guarded(stream.blocks, lambda: _remote_errors(place, offset)))


@contextlib.contextmanager
def _remote_errors(place: str, offset: int) -> Iterator[None]:
    try:
        yield
    except OutOfRangeError as error:
        message = (
            f"{error.place} ends before byte {offset}, though the index says that there are more; "
            "tell whoever publishes it"
        )
        raise RemoteError(message, again=False) from error
    except StoreError as error:
        raise RemoteError(str(error), again=error.retryable, after_s=error.after_s) from error
    except _FINAL as error:
        message = f"{place}: {os.strerror(error.errno or 0)}"
        raise RemoteError(message, again=False) from error
    except OSError as error:
        cause = cause_of(error) or Cause(f"it cannot be read ({type(error).__name__})")
        raise RemoteError(f"{place}: {cause}", again=cause.retryable) from error
