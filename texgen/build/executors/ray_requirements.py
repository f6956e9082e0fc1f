"""Checks of what a local Ray needs of the machine; without it Ray would end without an error."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
from pathlib import Path

from texgen.core.errors import ConfigError
from texgen.core.temporary import find_short_folder, short_folder_candidates

_LONGEST = 40
"""Longest path of Ray's folder, in bytes.

Linux allows 107 bytes for the path of a socket (other systems 103). Ray makes it of this folder, a
session's name of up to 42 bytes and ``/sockets/plasma_store``.
"""

_PREFIX = "texgen-ray-"
_NAME_BYTES = len(f"/{_PREFIX}xxxxxxxx")
_ROOM = 64 << 20
"""Free bytes that the folder needs: Ray's logs take some hundred kilobytes."""

_LEAST = {
    # Measured with two workers: 1.7 GiB of addresses in one process, and 211 threads.
    "ulimit -v": (resource.RLIMIT_AS, 3 << 30, "bytes of addresses in a process"),
    "ulimit -f": (resource.RLIMIT_FSIZE, 256 << 20, "bytes in a file"),
    "ulimit -u": (resource.RLIMIT_NPROC, 256, "threads"),
}


def check_limits() -> None:
    """Refuses to start a local Ray if a limit of this user is too low for it.

    Raises:
        ConfigError: If a limit is too low; names the limit.
    """
    for command, (number, least, unit) in _LEAST.items():
        limit = resource.getrlimit(number)[0]
        # This limit does not apply to the superuser.
        exempt = number == resource.RLIMIT_NPROC and os.geteuid() == 0
        if limit != resource.RLIM_INFINITY and limit < least and not exempt:
            raise ConfigError(
                f"Ray needs at least {least} {unit}, and the limit is {limit}: raise it "
                f"(`{command}`), or use --no-ray"
            )


def private_folder() -> Path | None:
    """Creates a folder for a local Ray; None if Ray's usual folder can be used.

    ``TMPDIR`` may be full or missing, or too long for the path of a socket. The folder belongs to
    this user alone; the caller deletes it.

    Raises:
        ConfigError: If no folder can be used.
    """
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - as Ray has it
    if _fits(Path(usual, "ray")) and _writable(Path(usual), "ray"):
        return None
    parent = find_short_folder(_LONGEST - _NAME_BYTES, _ROOM)
    if parent is not None:
        # A quota, say, may still forbid it.
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    tried = dict.fromkeys(short_folder_candidates())
    raise ConfigError(
        f"Ray needs a folder with a short path for its sockets and {_ROOM >> 20} MiB of room: "
        f"neither {usual} nor {', '.join(tried)} can be used; set RAY_TMPDIR to a "
        f"writable folder whose path has at most {_LONGEST - len('/ray')} bytes, or use --no-ray"
    )


def _fits(folder: Path) -> bool:
    return folder.is_absolute() and len(os.fsencode(folder)) <= _LONGEST


def _writable(place: Path, name: str) -> bool:
    """Whether a folder of that name can be created in ``place``, or exists and is writable."""
    folder = place / name
    there = folder if folder.exists() else place
    usable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return usable and shutil.disk_usage(there).free >= _ROOM
