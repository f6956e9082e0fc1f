"""Reads the bytes of single textures from shards that stay where they are."""

from __future__ import annotations

import functools
import mmap
import os

from texgen.core.errors import DatasetError
from texgen.storage import open_store
from texgen.storage.errors import ChangedFileError, StoreError
from texgen.storage.ranges import BlockCache, RangeFile

_BLOCK_BYTES = 256 << 10
"""A few textures: neighbours come along, and a block costs little more time than one of them."""

_CACHE_BYTES = 64 << 20


class ShardReader:
    """Reads ranges of bytes of shards; it belongs to the process that made it.

    Shards on this machine are mapped into memory when they are first asked for. Others are read in
    blocks, of which all readers of a process keep the last; no connection is kept here, so a
    forked process makes its own.

    Args:
        location: OUT.
    """

    def __init__(self, location: str) -> None:
        self._store = open_store(location)
        self._is_local = self._store.local_path() is not None
        self._maps: dict[str, mmap.mmap] = {}
        self._files: dict[str, RangeFile] = {}

    def read(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a shard from ``start`` to before ``end``.

        Raises:
            DatasetError: If the shard cannot be read, or is shorter.
        """
        try:
            data = self._read(path, start, end)
        except ChangedFileError as error:
            raise DatasetError(
                f"cannot read {error.place}: it has changed; open the data set again"
            ) from error
        except (OSError, ValueError) as error:
            named = isinstance(error, StoreError)
            reason = error if named else f"{self._store.place(path)} cannot be read ({error})"
            raise DatasetError(f"{reason}; run `texgen verify` for details") from error
        if len(data) < end - start:
            raise DatasetError(f"{path} is cut off; run `texgen verify` for details")
        return data

    def _read(self, path: str, start: int, end: int) -> bytes:
        if self._is_local:
            return (self._maps.get(path) or self._map(path))[start:end]
        if path not in self._files:
            self._files[path] = self._store.open(path)
        return _shared_blocks().read(self._files[path], start, end - start)

    def _map(self, path: str) -> mmap.mmap:
        with open(self._store.place(path), "rb") as file:  # noqa: PTH123 - already a path
            # It stays mapped once the file is closed, so files cost no descriptors.
            mapped = self._maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return mapped


@functools.cache
def _shared_blocks() -> BlockCache:
    return BlockCache(_BLOCK_BYTES, _CACHE_BYTES // _BLOCK_BYTES)


# The lock of the cache may have been held when the process was forked.
os.register_at_fork(after_in_child=_shared_blocks.cache_clear)
