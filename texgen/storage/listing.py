"""All files below a folder, and what a link among them is."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from texgen.storage.errors import storage_errors


def files_below(root: Path) -> Iterator[tuple[str, int]]:
    """Path and size of every file below ``root``; see `Sink.list` for links."""
    pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [(os.fspath(root), ())]
    while pending:
        folder, above = pending.pop()
        with storage_errors("list", Path(folder)):
            try:
                status = os.stat(folder)  # noqa: PTH116 - this is a loop over many
                with os.scandir(folder) as scan:
                    entries = list(scan)
            except FileNotFoundError:
                continue
            here = (*above, (status.st_dev, status.st_ino))
            for entry in entries:
                found = _look(entry)
                if found is None:
                    continue
                if not stat.S_ISDIR(found.st_mode):
                    yield entry.path, -1 if stat.S_ISLNK(found.st_mode) else found.st_size
                elif (found.st_dev, found.st_ino) in here:
                    yield entry.path, -1
                else:
                    pending.append((entry.path, here))


def _look(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What an entry, or what it links to, is; the link itself where it leads nowhere."""
    try:
        return entry.stat()
    except OSError:
        # Deleted since the listing, as attempts that end delete what they made.
        with contextlib.suppress(FileNotFoundError):
            return entry.stat(follow_symlinks=False)
    return None
