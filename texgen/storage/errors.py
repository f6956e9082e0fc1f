"""What the system says of a place, as an error that names the place and the mend."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import ScratchError, StorageError
from texgen.core.temporary import temporary_root

_DENIED = "change its permissions, or name another OUT"
_NO_PLACE = "name another OUT"
_MENDS = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "mount it writable, or name another OUT",
    errno.ENOSPC: "make room, or name an OUT on another disk",
    errno.EDQUOT: "make room in your quota, or name an OUT on another disk",
    errno.EXDEV: "keep all of OUT on one disk",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.ENAMETOOLONG: _NO_PLACE,
    errno.ENOTDIR: _NO_PLACE,
    errno.EISDIR: "move that folder away",
    errno.EEXIST: "it is a file or a link to nothing: move it away, or name another OUT",
    errno.ELOOP: "mend the links, or name another OUT",
}

_NO_ROOM = "make room, or set TMPDIR to a folder on another disk"
_SCRATCH_MENDS = {errno.ENOSPC: _NO_ROOM, errno.EDQUOT: _NO_ROOM}


def scratch_root() -> Path:
    """The user's folder of this machine for files on their way to a bucket."""
    return temporary_root() / f"texgen-{os.getuid()}"


@contextlib.contextmanager
def storage_errors(verb: str, path: Path) -> Iterator[None]:
    """Turns the system's errors into a `StorageError`: ``cannot write PATH: why; mend``.

    A `ScratchError` where the file is on its way to a bucket.

    Args:
        verb: What is done to ``path``.
        path: In OUT, or of a file on its way there.
    """
    try:
        yield
    except OSError as error:
        # Arrow's own text goes on about its file objects.
        why = os.strerror(error.errno) if error.errno else str(error)
        # What stands where a folder is needed may lie above ``path``.
        where = (error.errno == errno.EEXIST and error.filename) or path
        message = f"cannot {verb} {where}: {why}"
        mend = _MENDS.get(error.errno or 0)
        kind: type[StorageError] = StorageError
        if _is_scratch(path):
            mend, kind = _SCRATCH_MENDS.get(error.errno or 0, mend), ScratchError
        raise kind(f"{message}; {mend}" if mend else message) from error


def _is_scratch(path: Path) -> bool:
    try:
        return path.is_relative_to(scratch_root())
    except ScratchError:
        return False


@contextlib.contextmanager
def scratch_folder(scratch: Path) -> Iterator[Path]:
    """A folder below ``scratch`` that is gone afterwards.

    Raises:
        StorageError: If it cannot be made.
    """
    with storage_errors("write to", scratch):
        folder = tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)
