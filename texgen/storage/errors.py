"""Errors of stores, and of OUT: one line with the place, the reason and a hint."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from texgen.core.errors import ScratchError, StorageError
from texgen.core.temporary import temporary_root


class StoreError(OSError):
    """A store could not do what it was asked to.

    It is an `OSError`, as a folder raises it: ``filename`` is the place, ``strerror`` the reason
    and the hint.

    Args:
        place: Path or URL, without anything that may be a secret.
        reason: What happened, and what to do about it.
        verb: What was to be done with the place; empty to name the place alone.
        retryable: Whether another try may succeed.
        after_s: Pause that the server asks for before another try, s.
    """

    code = errno.EIO

    def __init__(
        self,
        place: str,
        reason: str,
        verb: str = "",
        *,
        retryable: bool = False,
        after_s: float = 0.0,
    ) -> None:
        super().__init__(self.code, reason, place)
        self.place, self.reason, self.verb = place, reason, verb
        self.retryable, self.after_s = retryable, after_s

    def __str__(self) -> str:
        action = f"cannot {self.verb} " if self.verb else ""
        return f"{action}{self.place}: {self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self.reason, self.verb), self.__dict__


class MissingFileError(StoreError, FileNotFoundError):
    """There is no such file."""

    code = errno.ENOENT


class ConditionFailedError(StoreError):
    """The file is not as `Store.put` or `Store.get_range` demanded, so nothing was done."""

    code = errno.EEXIST


class ChangedFileError(StoreError):
    """The file was written to since its first bytes were read."""

    code = errno.ESTALE


class OutOfRangeError(StoreError):
    """The file ends before the bytes that were asked for."""


class UnsupportedError(StoreError):
    """The store does not know the request."""


class WrongBytesError(StorageError):
    """The bytes to be sent do not have the checksum that they should have, and were not sent."""


_DENIED = "change its permissions, or name another OUT"
_ELSEWHERE = "name another OUT"
_HINTS = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "mount it writable, or name another OUT",
    errno.ENOSPC: "make room, or name an OUT on another disk",
    errno.EDQUOT: "make room in your quota, or name an OUT on another disk",
    errno.EXDEV: "keep all of OUT on one disk",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.ENAMETOOLONG: _ELSEWHERE,
    errno.ENOTDIR: _ELSEWHERE,
    errno.EISDIR: "move that folder away",
    errno.EEXIST: "it is a file or a link to nothing: move it away, or name another OUT",
    errno.ELOOP: "repair the links, or name another OUT",
}

_SCRATCH_FULL = "make room, or set TMPDIR to a folder on another disk"
_SCRATCH_HINTS = {errno.ENOSPC: _SCRATCH_FULL, errno.EDQUOT: _SCRATCH_FULL}


def scratch_root() -> Path:
    """The user's folder on this machine for files on their way to a bucket."""
    return temporary_root() / f"texgen-{os.getuid()}"


@contextlib.contextmanager
def storage_errors(verb: str, place: str | Path) -> Iterator[None]:
    """Turns errors of a store or of the system into a `StorageError` or a `ScratchError`.

    The message is ``cannot write PLACE: reason; hint``. It is a `ScratchError` if the place is
    in this machine's folder for files on their way to a bucket.

    Args:
        verb: What is done with the place.
        place: Path or URL in OUT, or path of a file on its way there.
    """
    try:
        yield
    except StoreError as error:
        raise StorageError(str(error)) from error
    except OSError as error:
        # Arrow's own text also describes its file objects.
        reason = os.strerror(error.errno) if error.errno else str(error)
        message = f"cannot {verb} {_place_of(error, place)}: {reason}"
        hint = _HINTS.get(error.errno or 0)
        kind: type[StorageError] = StorageError
        if _is_scratch(place):
            hint, kind = _SCRATCH_HINTS.get(error.errno or 0, hint), ScratchError
        raise kind(f"{message}; {hint}" if hint else message) from error


def _place_of(error: OSError, place: str | Path) -> str | Path:
    """The place that an error is about: ``place``, or what blocks it above or fails below it."""
    named = error.filename
    if not isinstance(named, str):
        return place
    is_better = error.errno == errno.EEXIST or Path(place) in Path(named).parents
    return named if is_better else place


def _is_scratch(place: str | Path) -> bool:
    try:
        return Path(place).is_relative_to(scratch_root())
    except ScratchError:
        return False
