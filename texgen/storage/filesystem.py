"""Where the files of a source lie: folders and buckets look alike above this."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Protocol

from texgen.storage.local_filesystem import LocalFiles
from texgen.storage.ranges import RangeFile
from texgen.storage.s3.address import parse


class Item(Protocol):
    """What a folder holds under one name.

    Attributes:
        name: Its bytes; in a bucket UTF-8.
    """

    name: bytes

    def is_folder(self) -> bool:
        """Whether it is a folder; links are followed."""
        ...

    def is_file(self) -> bool:
        """Whether it is a file; links are followed."""
        ...

    def size(self) -> int | None:
        """Bytes of a file; -1 for a link to nothing, None for what is neither."""
        ...


class FileSystem(Protocol):
    """Lists and reads files by their paths; equal ones hold the same files.

    Paths are absolute, with ``/`` as separator, and decoded by `os.fsdecode`; those in a
    bucket begin with ``s3://``.

    Attributes:
        parallel: Requests that are worth making at once.
    """

    @property
    def parallel(self) -> int:
        """See above."""
        ...

    def kind(self, path: str) -> str | None:
        """``file`` or ``folder``, and None where there is nothing.

        Raises:
            OSError: If that cannot be found out, or it is neither.
        """
        ...

    def scan(self, path: str) -> Iterator[Item]:
        """What is in a folder, in any order; names that begin with a dot are left out.

        Raises:
            OSError: If it cannot be listed; in a bucket, a folder that is not there is empty.
        """
        ...

    def identity(self, path: str) -> Hashable:
        """The same for one folder, whatever links led to it.

        Raises:
            OSError: If it is not there.
        """
        ...

    def open(self, path: str) -> RangeFile:
        """A file for reading in pieces; it and its pieces may raise the same errors.

        Raises:
            ChangedFileError: If it has changed since the first piece.
            FileNotFoundError: If it is not there.
            OSError: If it may not or cannot be read.
        """
        ...

    def read(self, path: str, size: int) -> tuple[bytes, int]:
        """All of a file, and its size; without its bytes where that is not ``size``.

        Raises:
            FileNotFoundError: If it is not there.
            OSError: If it may not or cannot be read.
        """
        ...


def files_at(location: str, endpoint: str | None) -> FileSystem:
    """What holds the files of a location.

    Args:
        location: A path, or ``s3://bucket/prefix``.
        endpoint: URL of an S3-compatible store; None is what the environment names.

    Raises:
        ConfigError: If this version cannot read such a place.
    """
    if "://" not in location:
        return LocalFiles()
    parse(location)
    # boto3 takes a third of a second to import, and folders need none of it.
    from texgen.storage.s3.filesystem import BucketFiles

    return BucketFiles(endpoint)


def list_folder(files: FileSystem, path: str) -> tuple[list[str], list[str]]:
    """Names of the files and of the folders in a folder, sorted by bytes.

    Names that begin with a dot are left out, and so is what is neither.

    Raises:
        OSError: If it cannot be listed.
    """
    found, folders = [], []
    for item in files.scan(path):
        if item.is_folder():
            folders.append(item.name)
        elif item.is_file():
            found.append(item.name)
    return [os.fsdecode(n) for n in sorted(found)], [os.fsdecode(n) for n in sorted(folders)]


class OpenFiles:
    """Keeps the files that were read last open; threads may share it.

    Args:
        files: Holds them.
        root: Folder of the paths.
        most: Number of them.
    """

    def __init__(self, files: FileSystem, root: str, most: int = 16) -> None:
        self._files = files
        self._root = root
        self._most = most
        self._open: OrderedDict[str, RangeFile] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, path: str) -> RangeFile:
        """The file at ``path`` below the root.

        Raises:
            OSError: If it is not there or may not be read.
        """
        with self._guard:
            file = self._open.pop(path, None) or self._files.open(f"{self._root}/{path}")
            self._open[path] = file
            if len(self._open) > self._most:
                self._open.popitem(last=False)
        return file
