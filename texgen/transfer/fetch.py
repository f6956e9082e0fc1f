"""Index and files of a data set, each fetched whole or not at all."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from texgen.core.errors import DatasetError
from texgen.core.layout import INDEX
from texgen.core.text import format_bytes
from texgen.storage import storage_errors
from texgen.storage.remote import BLOCK, Remote, RemoteError
from texgen.transfer.index_validation import MAX_INDEX_BYTES

_INDEX_PAUSES_S = (0.5, 2.0)
_TRIES = 6
_WRONG_SUMS = 2
"""Times that a file whose sum is wrong is fetched: a cache on the way may have a bad copy."""

_PAUSE_S = 0.5
_LONGEST_S = 120.0
"""A server that asks for more patience is left to the user."""

OnBytes = Callable[[int], None]
"""Called with the number of bytes that have come; below 0 where some were for nothing,
those of earlier runs too."""


def fetch_index(remote: Remote) -> bytes:
    """The bytes of a data set's index, whatever they are.

    Raises:
        RemoteError: If it cannot be had.
        DatasetError: If there are too many.
    """
    for pause_s in _INDEX_PAUSES_S:
        try:
            return _read_index(remote)
        except RemoteError as error:
            if not error.again:
                raise
            failed = error
        _pause(pause_s, failed)
    return _read_index(remote)


def _read_index(remote: Remote) -> bytes:
    data = bytearray()
    with remote.fetch(INDEX) as body:
        for block in body.blocks:
            data += block
            if len(data) > MAX_INDEX_BYTES:
                message = (
                    f"{INDEX} is not to be trusted: it has over {format_bytes(MAX_INDEX_BYTES)}"
                )
                raise DatasetError(message)
    return bytes(data)


def fetch_file(
    remote: Remote, path: str, size: int, sha256: str, part: Path, tell: OnBytes
) -> None:
    """Fetches a file to ``part``, going on where an earlier try or run stopped.

    Args:
        remote: Where it is.
        path: Relative to the data set.
        size: Bytes it must have.
        sha256: Sum it must have, hex.
        part: Where it goes; left there when this fails, but for what is known to be wrong.
        tell: See `OnBytes`.

    Raises:
        RemoteError: If it cannot be had.
        DatasetError: If what comes is not what the index says.
        StorageError: If it cannot be written.
    """
    wrong = 0
    for attempt in range(_TRIES):
        try:
            found = _go_on(remote, path, size, part, tell)
        except RemoteError as error:
            if not error.again or attempt == _TRIES - 1:
                raise
            _pause(_PAUSE_S * 2**attempt, error)
            continue
        if found == sha256:
            return
        wrong += 1
        _forget(part, tell)
        if wrong == _WRONG_SUMS:
            break
    message = (
        f"{path}: what comes is not what the index says (sha256 {sha256[:12]}…), {wrong} times; "
        "tell whoever publishes it"
    )
    raise DatasetError(message)


def _pause(pause_s: float, error: RemoteError) -> None:
    """Waits, for as long as a server asks for if that is not too long."""
    if error.after_s > _LONGEST_S:
        message = f"{error}, and asks to come back after {error.after_s:.0f} s; try again then"
        raise RemoteError(message, again=False) from error
    time.sleep(max(pause_s, error.after_s))


def _forget(part: Path, tell: OnBytes) -> None:
    tell(-part.stat().st_size)
    part.unlink()


def _go_on(remote: Remote, path: str, size: int, part: Path, tell: OnBytes) -> str:
    """Fetches what is missing of a file; the sum of the whole."""
    with storage_errors("write", part):
        part.parent.mkdir(parents=True, exist_ok=True)
        digest, there = _left_of(part, size, tell)
        if there == size:
            return digest.hexdigest()
        with part.open("ab") as file, remote.fetch(path, there) as body:
            if body.offset != there:
                # The server sends whole files only.
                tell(-there)
                file.truncate(0)
                digest, there = hashlib.sha256(), 0
            for block in body.blocks:
                there += len(block)
                if there > size:
                    message = f"{path}: more than the {size} bytes that the index says come"
                    raise DatasetError(message)
                file.write(block)
                digest.update(block)
                tell(len(block))
    if there < size:
        # A server that ends early without a word.
        message = f"{path}: only {there} of {size} bytes came"
        raise RemoteError(message, again=True)
    return digest.hexdigest()


def _left_of(part: Path, size: int, tell: OnBytes) -> tuple[hashlib._Hash, int]:
    """The running sum of what an earlier try left, and its size."""
    digest = hashlib.sha256()
    if not part.exists():
        return digest, 0
    if part.stat().st_size > size:
        _forget(part, tell)
        return digest, 0
    there = 0
    with part.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            there += len(block)
    return digest, there
