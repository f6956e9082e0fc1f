"""Folders for temporary files; a read-only container may have none."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import ScratchError


def temporary_root() -> Path:
    """Returns the folder in which temporary files are created: TMPDIR, or the system's.

    Raises:
        ScratchError: If no such folder can be written.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise ScratchError(
            "no folder takes temporary files: set TMPDIR to one that can be written and has room, "
            "or mount one (docker run --tmpfs /tmp; an emptyDir at /tmp on Kubernetes)"
        ) from error


def short_folder_candidates() -> Iterator[str]:
    """Yields the folders that `find_short_folder` tries, in that order."""
    with contextlib.suppress(FileNotFoundError):
        yield tempfile.gettempdir()
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield runtime
    yield from ("/tmp", "/var/tmp", "/dev/shm", "/run/shm")  # noqa: S108 - TMPDIR comes first


def find_short_folder(max_bytes: int, free_bytes: int = 0) -> Path | None:
    """Returns the first writable folder for temporary files with a short path; None without one.

    The path of a socket has 107 bytes at most on Linux (103 elsewhere), and TMPDIR may be longer.

    Args:
        max_bytes: Longest path of the folder.
        free_bytes: Free bytes that its file system must have.
    """
    for candidate in short_folder_candidates():
        folder = Path(candidate)
        if (
            folder.is_absolute()
            and len(os.fsencode(folder)) <= max_bytes
            and os.access(folder, os.W_OK | os.X_OK)
            and folder.is_dir()
            and (not free_bytes or shutil.disk_usage(folder).free >= free_bytes)
        ):
            return folder
    return None
