"""Names in one folder of a store, and whether each is a file or a folder."""

from __future__ import annotations

import errno
import os
import stat

_LEADS_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES}
"""Errors of a link whose target is not there, or not for this user."""


class Entry:
    """One name in a folder of a store whose listing has the sizes too, such as a bucket.

    Args:
        name: Its bytes; in a bucket they are UTF-8.
        size: Bytes of a file; None for a folder.
    """

    __slots__ = ("_size", "name")

    def __init__(self, name: bytes, size: int | None) -> None:
        self.name = name
        self._size = size

    def is_folder(self) -> bool:
        """Whether it is a folder; links are followed."""
        return self._size is None

    def is_file(self) -> bool:
        """Whether it is a file; links are followed."""
        return self._size is not None

    def size(self) -> int | None:
        """Bytes of a file; -1 for a link to nothing, None if it is neither file nor folder."""
        return self._size


class LocalEntry(Entry):
    """An entry of a folder of this machine, which is asked only for what is wanted of it."""

    __slots__ = ("_entry",)

    def __init__(self, entry: os.DirEntry[bytes]) -> None:
        self._entry = entry
        self.name = entry.name

    def is_folder(self) -> bool:
        """See `Entry.is_folder`."""
        try:
            return self._entry.is_dir()
        except OSError:  # a link to itself
            return False

    def is_file(self) -> bool:
        """See `Entry.is_file`."""
        try:
            return self._entry.is_file()
        except OSError:
            return False

    def size(self) -> int | None:
        """See `Entry.size`.

        Raises:
            OSError: If the file system does not tell, as for a folder that may not be entered.
        """
        try:
            status = self._entry.stat()
        except OSError as error:
            if error.errno in _LEADS_NOWHERE and self._entry.is_symlink():
                return -1
            if error.errno == errno.ENOENT:  # deleted since it was listed
                return None
            raise
        return status.st_size if stat.S_ISREG(status.st_mode) else None
