"""`Store`: the files of a folder, a bucket or a web server, behind one interface."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from texgen.core.config import Part
from texgen.storage.entries import Entry
from texgen.storage.errors import ChangedFileError
from texgen.storage.locks import Lock
from texgen.storage.ranges import RangeFile

Content = bytes | Path
"""What is written: bytes, or a local file that holds them."""


ANYTHING, NOTHING = "*", ""
"""Conditions of `Store.put` beside ETags: any file may be replaced, or none may be there."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """A file, or a range of its bytes.

    Attributes:
        data: The bytes that were asked for.
        size: Bytes of the whole file.
        etag: A text that changes with the file's bytes.
        age_s: Seconds since the file was written, by the store's own clock.
        sha256: Checksum that the file was written with, hex; None if the store knows none.
    """

    data: bytes
    size: int
    etag: str
    age_s: float = 0.0
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A file, or the rest of one, as it arrives.

    Attributes:
        offset: Byte with which it begins: 0 if the server sends whole files only.
        blocks: The bytes.
    """

    offset: int
    blocks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Written:
    """The result of `Store.put`.

    Attributes:
        etag: See `FileRange`.
        atomic: Whether the store checked the condition and wrote in one step. If not, the
            condition was checked first, and somebody may have written in between.
    """

    etag: str
    atomic: bool = True


class StreamStore(ABC):
    """Files that can be read from an offset to their end, which is all that a download needs."""

    @abstractmethod
    def place(self, path: str = "") -> str:
        """Path or URL of a file, for people: without anything that may be a secret."""

    @abstractmethod
    def stream(self, path: str, offset: int = 0) -> AbstractContextManager[Stream]:
        """Opens a file for reading from ``offset`` to its end.

        Raises:
            OutOfRangeError: If the file ends before ``offset``.
            OSError: If the file cannot be read; also while the blocks are read.
        """


class Store(StreamStore):
    """Files below one location.

    Paths are relative to the location, with ``/`` as separator and decoded by `os.fsdecode`.
    Absolute ones (``/…`` in a folder, ``s3://…`` in a bucket) are taken as they are. A store is a
    mere name: equal stores hold the same files, and stores can be pickled. Every method raises
    `OSError`: what a folder raises, or a `StoreError`.

    Attributes:
        parallel: Requests that are worth making at once.
        stream_bytes: Bytes that a stream reads at once.
    """

    parallel: ClassVar[int] = 1
    stream_bytes: ClassVar[int] = 1 << 20

    def local_path(self, path: str = "") -> Path | None:
        """Path of a file on this machine; None if the store is elsewhere."""
        del path
        return None

    @abstractmethod
    def list(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """Path and bytes of all files below a folder; a folder that is not there holds none.

        A link to nothing, or back to a folder above it, has -1 bytes.
        """

    @abstractmethod
    def scan(self, folder: str, *, hidden: bool = False) -> Iterator[Entry]:
        """Names in a folder itself, in any order.

        Args:
            folder: Its path.
            hidden: Whether names that begin with a dot are given too.

        Raises:
            OSError: If it cannot be listed. In a bucket a folder that is not there is empty.
        """

    @abstractmethod
    def kind(self, path: str) -> str | None:
        """``file`` or ``folder``, and None if there is nothing.

        Raises:
            OSError: If that cannot be found out, or it is neither.
        """

    def identity(self, folder: str) -> Hashable:
        """The same for one folder, whatever links led to it."""
        return folder

    @abstractmethod
    def head(self, path: str) -> FileRange:
        """Size and ETag of a file, without its bytes.

        Raises:
            FileNotFoundError: If there is none.
        """

    @abstractmethod
    def get_range(
        self, path: str, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> FileRange:
        """Reads a file, or its bytes from ``start`` to before ``end``.

        Args:
            path: Its path.
            start: First byte.
            end: End of the range, cut off at the end of the file; None is that end.
            etag: ETag that the file must have; None for any.

        Raises:
            FileNotFoundError: If there is none.
            OutOfRangeError: If the file ends before ``start`` and the store reports it.
            ChangedFileError: If it has another ETag.
        """

    def _changed(self, path: str) -> ChangedFileError:
        reason = "it has changed while it was read; start again"
        return ChangedFileError(self.place(path), reason, "read", retryable=True)

    @abstractmethod
    def open(self, path: str) -> RangeFile:
        """A file that is read in pieces; it and its pieces raise the errors of `get_range`.

        Raises:
            ChangedFileError: On reading, if it has changed since the first piece.
        """

    @contextlib.contextmanager
    def stream(self, path: str, offset: int = 0) -> Iterator[Stream]:
        """See `StreamStore.stream`; a file that changes meanwhile is an error."""
        yield Stream(offset, self._blocks(path, offset))

    def _blocks(self, path: str, offset: int) -> Iterator[bytes]:
        etag = None
        while True:
            block = self.get_range(path, offset, offset + self.stream_bytes, etag)
            yield block.data
            offset, etag = offset + len(block.data), block.etag
            if offset >= block.size:
                return

    @abstractmethod
    def put(
        self, path: str, content: Content, sha256: str | None = None, *, over: str = ANYTHING
    ) -> Written:
        """Writes a file, all of it or nothing.

        Args:
            path: Its path.
            content: Its bytes. A local file may be moved away: the caller deletes what is left.
            sha256: Checksum of the content, hex; a bucket checks it and keeps it with the file.
            over: ETag of the file that may be replaced; `NOTHING` if no file may be there.

        Raises:
            ConditionFailedError: If the file is not as demanded. An earlier try of the same call
                whose answer was lost may have made it so.
            FileNotFoundError: If there is none, but an ETag was demanded.
            WrongBytesError: If the content has another ``sha256``.
        """

    @abstractmethod
    def delete(self, path: str) -> None:
        """Deletes a file, if it is there."""

    def discard_uploads(self, *, retries: bool = True) -> None:
        """Deletes what killed processes have sent of large files, as far as that is allowed."""

    @abstractmethod
    def lock(self, part: Part | None) -> Lock:
        """The lock of those who write a data set at the location.

        Args:
            part: The part of the data set that this process makes; None for all of it.
        """


def size_of(content: Content) -> int:
    """Bytes of what is written."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def guarded(
    blocks: Iterator[bytes], errors: Callable[[], AbstractContextManager[None]]
) -> Iterator[bytes]:
    """Yields the blocks of a stream, up to an empty one.

    Args:
        blocks: The stream.
        errors: Makes a context in which a block is read. The code that uses the block runs
            outside of it.
    """
    while True:
        with errors():
            block = next(blocks, b"")
        if not block:
            return
        yield block


def list_folder(store: Store, path: str) -> tuple[list[str], list[str]]:
    """Names of the files and of the folders in a folder, sorted by bytes.

    Names that begin with a dot are left out, and so is what is neither file nor folder.

    Raises:
        OSError: If it cannot be listed.
    """
    files, folders = [], []
    for entry in store.scan(path):
        if entry.is_folder():
            folders.append(entry.name)
        elif entry.is_file():
            files.append(entry.name)
    return [os.fsdecode(n) for n in sorted(files)], [os.fsdecode(n) for n in sorted(folders)]
