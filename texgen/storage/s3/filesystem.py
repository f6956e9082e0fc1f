"""Objects of a bucket, as `texgen.storage.filesystem.FileSystem` has files.

What cannot be a path on disk is no file here either: keys with an empty step, with ``.`` or
``..``, and the objects without bytes that consoles make for folders.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from texgen.core.errors import StorageError
from texgen.storage.ranges import ChangedFileError, RangeFile
from texgen.storage.s3.address import SCHEME, Address
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.errors import ChangedObjectError, MissingObjectError, StoreError
from texgen.storage.s3.file import ObjectFile


@dataclass(frozen=True, slots=True)
class BucketFiles:
    """The buckets of a store; see `FileSystem`.

    Attributes:
        endpoint: URL of an S3-compatible store; None is what the environment names.
        parallel: See `FileSystem`.
    """

    endpoint: str | None = None
    parallel: int = 16

    def kind(self, path: str) -> str | None:
        """See `FileSystem.kind`; of a folder and an object with one name it is the folder."""
        bucket, key = self._find(path)
        with _system_errors(path):
            # Two, since the first may be the folder itself.
            if next(bucket.names(key, most=2), None) or not key:
                return "folder"
            with contextlib.suppress(MissingObjectError):
                bucket.head(key)
                return "file"
        return None

    def scan(self, path: str) -> Iterator[BucketItem]:
        """See `FileSystem.scan`."""
        bucket, key = self._find(path)
        with _system_errors(path):
            for name, size in bucket.names(key):
                if name and not name.startswith("."):
                    yield BucketItem(name.encode(), size)

    def identity(self, path: str) -> Hashable:
        """See `FileSystem.identity`."""
        return path

    def open(self, path: str) -> RangeFile:
        """See `FileSystem.open`."""
        return _BucketFile(path, ObjectFile(*self._find(path)))

    def read(self, path: str, size: int) -> tuple[bytes, int]:
        """See `FileSystem.read`."""
        bucket, key = self._find(path)
        with _system_errors(path):
            # No more than that of an object that has grown to anything.
            found = bucket.get(key, 0, max(1, size))
        return found.data, found.size

    def _find(self, path: str) -> tuple[Bucket, str]:
        text = os.fsencode(path).decode()
        name, _, key = text.removeprefix(SCHEME).partition("/")
        # As `parse` reads an address.
        return Bucket(Address(name, ""), self.endpoint), key.strip("/")


class BucketItem:
    """See `texgen.storage.filesystem.Item`."""

    __slots__ = ("_size", "name")

    def __init__(self, name: bytes, size: int | None) -> None:
        self.name = name
        self._size = size

    def is_folder(self) -> bool:
        """See `Item.is_folder`."""
        return self._size is None

    def is_file(self) -> bool:
        """See `Item.is_file`."""
        return self._size is not None

    def size(self) -> int | None:
        """See `Item.size`."""
        return self._size


class _BucketFile:
    """An `ObjectFile` whose errors are the system's."""

    def __init__(self, path: str, file: ObjectFile) -> None:
        self._path = path
        self._file = file
        self.ahead = file.ahead
        self.name = file.name

    def size(self) -> int:
        with _system_errors(self._path):
            return self._file.size()

    def stamp(self) -> str:
        with _system_errors(self._path):
            return self._file.stamp()

    def read_at(self, offset: int, length: int) -> bytes:
        with _system_errors(self._path):
            return self._file.read_at(offset, length)


@contextlib.contextmanager
def _system_errors(path: str) -> Iterator[None]:
    """Turns a store's errors into the system's: a `StorageError` is one of OUT."""
    try:
        yield
    except MissingObjectError as error:
        raise FileNotFoundError(errno.ENOENT, error.why, path) from error
    except ChangedObjectError as error:
        raise ChangedFileError(errno.ESTALE, error.why, path) from error
    except StorageError as error:
        why = error.why if isinstance(error, StoreError) else str(error)
        raise OSError(errno.EIO, why, path) from error
