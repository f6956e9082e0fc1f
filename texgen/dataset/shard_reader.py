"""Reads the bytes of single textures from shards that stay where they are."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Protocol

from texgen.core.errors import DatasetError, StorageError
from texgen.storage.s3.address import SCHEME


class ShardReader(Protocol):
    """Reads ranges of bytes of shards."""

    def read(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a shard from ``start`` to before ``end``.

        Raises:
            DatasetError: If the shard cannot be read, or is shorter.
        """
        ...


def open_shards(location: str) -> ShardReader:
    """Opens the shards of OUT; the reader belongs to the process that opened it."""
    return BucketShards(location) if location.startswith(SCHEME) else MappedShards(Path(location))


class MappedShards:
    """Shards of a folder, mapped into memory when they are first read.

    Args:
        root: OUT.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._maps: dict[str, mmap.mmap] = {}

    def read(self, path: str, start: int, end: int) -> bytes:
        """See `ShardReader.read`."""
        mapped = self._maps.get(path) or self._map(path)
        return _whole(mapped[start:end], end - start, path)

    def _map(self, path: str) -> mmap.mmap:
        place = self._root / path
        try:
            with place.open("rb") as file:
                # The map outlives the file, so that open shards need no file descriptors.
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            message = f"{place} cannot be read ({error}); run `texgen verify` for details"
            raise DatasetError(message) from error
        self._maps[path] = mapped
        return mapped


class BucketShards:
    """Shards in a bucket, read in blocks that the readers of a process share.

    The object holds no connection, so that a forked process opens its own.

    Args:
        location: OUT.
    """

    def __init__(self, location: str) -> None:
        # Readers of folders must not import boto3.
        from texgen.storage.s3.address import parse
        from texgen.storage.s3.bucket import Bucket

        self._bucket = Bucket(parse(location))

    def read(self, path: str, start: int, end: int) -> bytes:
        """See `ShardReader.read`."""
        from texgen.storage.s3.block_cache import shared_cache

        try:
            data = shared_cache().read(self._bucket, path, start, end)
        except StorageError as error:
            message = f"{error}; run `texgen verify` for details"
            raise DatasetError(message) from error
        return _whole(data, end - start, path)


def _whole(data: bytes, length: int, path: str) -> bytes:
    if len(data) < length:
        message = f"{path} is cut off; run `texgen verify` for details"
        raise DatasetError(message)
    return data
