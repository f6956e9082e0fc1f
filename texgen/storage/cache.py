"""Many small pieces of files that stay as they are: mapped, or through a cache of blocks."""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict

from texgen.storage.errors import ChangedFileError, ConditionFailedError, OutOfRangeError
from texgen.storage.store import Store

CACHE_BLOCK_BYTES = 256 << 10
"""A few textures: neighbours come along, and a block costs little more time than one of them."""

CACHE_BYTES = 64 << 20


class PieceReader:
    """Reads pieces of a store's files; it belongs to the process that made it.

    Files of this machine are mapped into memory when they are first asked for. Others are read
    in blocks that all readers of a process share; no connection is kept here, so a forked process
    makes its own.

    Args:
        store: Holds the files.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_local = store.local_path() is not None
        self._maps: dict[str, mmap.mmap] = {}

    def read(self, path: str, start: int, end: int) -> bytes:
        """The bytes of a file from ``start`` to before ``end``; fewer if it is shorter.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it is empty.
        """
        if self._is_local:
            return (self._maps.get(path) or self._map(path))[start:end]
        return _shared.read(self._store, path, start, end)

    def _map(self, path: str) -> mmap.mmap:
        with open(self._store.place(path), "rb") as file:  # noqa: PTH123 - already a path
            # It stays mapped once the file is closed, so files cost no descriptors.
            mapped = self._maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return mapped


class BlockCache:
    """The blocks of files that were read last; threads may share it.

    A file is assumed to stay as it is. A change is noticed when a further block of it is read.

    Args:
        max_bytes: Bytes that are kept.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_blocks = max(1, max_bytes // CACHE_BLOCK_BYTES)
        self._blocks: OrderedDict[tuple[Store, str, int], bytes] = OrderedDict()
        self._etags: dict[tuple[Store, str], str] = {}
        self._guard = threading.Lock()

    def read(self, store: Store, path: str, start: int, end: int) -> bytes:
        """The bytes of a file from ``start`` to before ``end``; fewer if it is shorter.

        Raises:
            OSError: If it cannot be read, or has changed since the first time.
        """
        first, last = start // CACHE_BLOCK_BYTES, max(start, end - 1) // CACHE_BLOCK_BYTES
        with self._guard:
            blocks = {n: self._kept(store, path, n) for n in range(first, last + 1)}
        missing = [n for n, block in blocks.items() if block is None]
        if missing:
            # One request: two would take longer than the blocks between them.
            blocks |= self._fetched(store, path, missing[0], missing[-1] + 1)
        data = b"".join(blocks.get(n) or b"" for n in range(first, last + 1))
        return data[start - first * CACHE_BLOCK_BYTES : end - first * CACHE_BLOCK_BYTES]

    def _kept(self, store: Store, path: str, number: int) -> bytes | None:
        block = self._blocks.get((store, path, number))
        if block is not None:
            self._blocks.move_to_end((store, path, number))
        return block

    def _fetched(self, store: Store, path: str, first: int, end: int) -> dict[int, bytes]:
        etag = self._etags.get((store, path))
        try:
            found = store.get_range(path, first * CACHE_BLOCK_BYTES, end * CACHE_BLOCK_BYTES, etag)
        except OutOfRangeError:
            # The file ends with the blocks that are kept.
            return {}
        except ConditionFailedError as error:
            reason = "it has changed; open the data set again"
            raise ChangedFileError(store.place(path), reason, "read") from error
        cuts = range(0, len(found.data), CACHE_BLOCK_BYTES)
        blocks = {first + i: found.data[at : at + CACHE_BLOCK_BYTES] for i, at in enumerate(cuts)}
        with self._guard:
            self._etags[store, path] = found.etag
            for number, block in blocks.items():
                self._blocks[store, path, number] = block
            while len(self._blocks) > self._max_blocks:
                self._blocks.popitem(last=False)
        return blocks


_shared = BlockCache()
"""The process's own; a forked process begins with an empty one."""


def _forget() -> None:
    global _shared  # its lock may have been held when the process was forked
    _shared = BlockCache()


os.register_at_fork(after_in_child=_forget)
