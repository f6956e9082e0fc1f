"""A folder, as a place to download from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from texgen.storage.remote import BLOCK, Body
from texgen.storage.remote_errors import guarded, remote_errors


class FolderRemote:
    """A folder, such as one that is mounted from elsewhere.

    Args:
        root: The one that holds ``index.json``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, path: str) -> str:
        """See `Remote.place`."""
        return str(self._root / path)

    @contextlib.contextmanager
    def fetch(self, path: str, offset: int = 0) -> Iterator[Body]:
        """See `Remote.fetch`."""
        place = self._root / path
        with contextlib.ExitStack() as stack:
            with remote_errors(str(place)):
                file = stack.enter_context(place.open("rb"))
                file.seek(offset)
            yield Body(offset, guarded(iter(lambda: file.read(BLOCK), b""), str(place)))
