"""A folder that is short enough for the sockets of a local Ray."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from texgen.errors import ConfigError

_LONGEST = 40
"""Bytes of a folder's path. The system takes 107 for a socket (103 elsewhere than on Linux), and
Ray makes it of this folder, a session's name of up to 42 and ``/sockets/plasma_store``."""


def private_folder() -> Path | None:
    """Makes a folder for a local Ray, where its usual one will not do; None where that will.

    The folder is the user's alone; whoever asked for it deletes it with `remove`.

    Raises:
        ConfigError: If there is no place for one.
    """
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - as Ray has it
    if _fits(Path(usual, "ray")) and _writable(Path(usual), "ray"):
        return None
    tried = []
    for place in _places():
        try:
            folder = Path(tempfile.mkdtemp(prefix="texgen-ray-", dir=place))
        except OSError:
            tried.append(place)
            continue
        if _fits(folder):
            return folder
        folder.rmdir()
        tried.append(place)
    message = (
        f"Ray needs a folder with a short path for its sockets, and {usual} is too long or not to "
        f"be written to; nor will {', '.join(tried)} do: set RAY_TMPDIR to a folder of at most "
        f"{_LONGEST - len('/ray')} bytes that can be written, or use --no-ray"
    )
    raise ConfigError(message)


def remove(folder: Path) -> None:
    """Deletes what `private_folder` has made, as far as it can be."""
    shutil.rmtree(folder, ignore_errors=True)


def _places() -> list[str]:
    named = [os.environ.get("TMPDIR"), os.environ.get("XDG_RUNTIME_DIR")]
    return [place for place in (*named, "/tmp", "/var/tmp", "/dev/shm") if place]  # noqa: S108 - made private in there


def _fits(folder: Path) -> bool:
    return folder.is_absolute() and len(os.fsencode(folder)) <= _LONGEST


def _writable(place: Path, name: str) -> bool:
    """Whether a folder of that name can be made there, or is there and can be written to."""
    folder = place / name
    there = folder if folder.exists() else place
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
