"""Fetches the index and the files of a data set, each complete or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from texgen.core.errors import DatasetError, TexgenError
from texgen.core.layout import INDEX
from texgen.core.text import format_bytes
from texgen.dataset.index import DataFile
from texgen.storage import StreamStore, storage_errors
from texgen.storage.errors import OutOfRangeError, StoreError
from texgen.storage.network.causes import cause_of
from texgen.storage.store import Stream, guarded
from texgen.transfer.index_validation import MAX_INDEX_BYTES

_Fetched = TypeVar("_Fetched")

_BLOCK = 1 << 20
_INDEX_PAUSES_S = (0.5, 2.0)
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_WRONG_SUMS = 2
"""Times that a file with a wrong SHA-256 is fetched: a cache on the way may have a bad copy."""

_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)

_MAX_PAUSE_S = 120.0
"""Longest pause; if a server asks for a longer one, the user decides."""

OnBytes = Callable[[int], None]
"""Called with the number of bytes that arrived, or a negative number for bytes that are thrown
away, those of earlier runs too."""


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
    except OSError as error:
        cause = cause_of(error, "it cannot be read")
        again = cause.retryable and not isinstance(error, _FINAL)
        raise RemoteError(f"{place}: {cause}", again) from error


def fetch_index(remote: StreamStore) -> bytes:
    """Fetches the bytes of a data set's index, without parsing them.

    Raises:
        RemoteError: If the index cannot be fetched.
        DatasetError: If it is too large.
    """
    return _retried(lambda: _read_index(remote), _INDEX_PAUSES_S)


def _read_index(remote: StreamStore) -> bytes:
    data = bytearray()
    with open_remote_file(remote, INDEX) as body:
        for block in body.blocks:
            data += block
            if len(data) > MAX_INDEX_BYTES:
                raise DatasetError(
                    f"{INDEX} cannot be trusted: it has over {format_bytes(MAX_INDEX_BYTES)}"
                )
    return bytes(data)


def fetch_file(remote: StreamStore, file: DataFile, part: Path, on_bytes: OnBytes) -> None:
    """Fetches a file to ``part``, and resumes where an earlier attempt or run stopped.

    Args:
        remote: Store of the data set.
        file: The file as the index lists it.
        part: Local file. After an error it stays, unless its content is known to be wrong.
        on_bytes: See `OnBytes`.

    Raises:
        RemoteError: If the file cannot be fetched.
        DatasetError: If the fetched bytes differ from the index.
        StorageError: If the local file cannot be written.
    """
    for _ in range(_WRONG_SUMS):
        digest = _retried(lambda: _fetch_rest(remote, file, part, on_bytes), _PAUSES_S)
        if digest == file.sha256:
            return
        _discard(part, on_bytes)
    raise DatasetError(
        f"{file.path}: the fetched bytes do not have the SHA-256 in the index "
        f"({file.sha256[:12]}…), after {_WRONG_SUMS} attempts; ask its publisher to fix it"
    )


def _retried(fetch: Callable[[], _Fetched], pauses_s: Sequence[float]) -> _Fetched:
    """The result of a fetch that is tried again after each pause."""
    for pause_s in pauses_s:
        try:
            return fetch()
        except RemoteError as error:
            if not error.again:
                raise
            failed = error
        _pause(pause_s, failed)
    return fetch()


def _pause(pause_s: float, error: RemoteError) -> None:
    """Waits, and longer if a server asks for it.

    Raises:
        RemoteError: If the server asks for more than `_MAX_PAUSE_S`.
    """
    if error.after_s > _MAX_PAUSE_S:
        message = (
            f"{error}, and asks to retry after {error.after_s:.0f} s; run the command again then"
        )
        raise RemoteError(message, again=False) from error
    time.sleep(max(pause_s, error.after_s))


def _discard(part: Path, on_bytes: OnBytes) -> None:
    on_bytes(-part.stat().st_size)
    part.unlink()


def _fetch_rest(remote: StreamStore, file: DataFile, part: Path, on_bytes: OnBytes) -> str:
    """Fetches the missing bytes of a file; returns the hex SHA-256 of all its bytes."""
    with storage_errors("write", part):
        part.parent.mkdir(parents=True, exist_ok=True)
        digest, present = _hash_present(part, file.bytes, on_bytes)
        if present == file.bytes:
            return digest.hexdigest()
        with part.open("ab") as local, open_remote_file(remote, file.path, present) as body:
            if body.offset != present:
                # The server sends only complete files, not ranges.
                on_bytes(-present)
                local.truncate(0)
                digest, present = hashlib.sha256(), 0
            for block in body.blocks:
                present += len(block)
                if present > file.bytes:
                    raise DatasetError(
                        f"{file.path}: more than the {file.bytes} bytes in the index arrived"
                    )
                local.write(block)
                digest.update(block)
                on_bytes(len(block))
    if present < file.bytes:
        # The server ended the answer early without an error.
        message = f"{file.path}: only {present} of {file.bytes} bytes arrived"
        raise RemoteError(message, again=True)
    return digest.hexdigest()


def _hash_present(part: Path, size: int, on_bytes: OnBytes) -> tuple[hashlib._Hash, int]:
    """Returns the running digest and the size of the bytes that an earlier attempt fetched."""
    digest = hashlib.sha256()
    if not part.exists():
        return digest, 0
    if part.stat().st_size > size:
        _discard(part, on_bytes)
        return digest, 0
    present = 0
    with part.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            present += len(block)
    return digest, present
