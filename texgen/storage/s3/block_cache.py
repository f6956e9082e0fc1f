"""Bytes out of the middle of objects, through a cache that a process's readers share."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from texgen.core.errors import StorageError
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.errors import ConditionFailedError

BLOCK_BYTES = 256 << 10
"""A few textures: neighbours come along, and one of them costs little more than itself."""

CACHE_BYTES = 64 << 20


class BlockCache:
    """The blocks of objects that were read last; threads may share it.

    An object is taken to stay as it is. One that has changed is found out when a further
    block of it is read.

    Args:
        most_bytes: Kept at once.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most = max(1, most_bytes // BLOCK_BYTES)
        self._blocks: OrderedDict[tuple[Bucket, str, int], bytes] = OrderedDict()
        self._etags: dict[tuple[Bucket, str], str] = {}
        self._guard = threading.Lock()

    def read(self, bucket: Bucket, path: str, start: int, end: int) -> bytes:
        """The bytes of an object from ``start`` to before ``end``; fewer where it is shorter.

        Raises:
            StorageError: If it cannot be read, or has changed since the first time.
        """
        first, last = start // BLOCK_BYTES, max(start, end - 1) // BLOCK_BYTES
        with self._guard:
            blocks = {n: self._kept(bucket, path, n) for n in range(first, last + 1)}
        missing = [n for n, block in blocks.items() if block is None]
        if missing:
            # At once: two requests would take longer than the blocks between them.
            blocks |= self._fetched(bucket, path, missing[0], missing[-1] + 1)
        data = b"".join(blocks[n] or b"" for n in range(first, last + 1))
        return data[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES]

    def _kept(self, bucket: Bucket, path: str, number: int) -> bytes | None:
        block = self._blocks.get((bucket, path, number))
        if block is not None:
            self._blocks.move_to_end((bucket, path, number))
        return block

    def _fetched(self, bucket: Bucket, path: str, first: int, end: int) -> dict[int, bytes]:
        etag = self._etags.get((bucket, path))
        try:
            found = bucket.get(path, first * BLOCK_BYTES, end * BLOCK_BYTES, etag)
        except ConditionFailedError as error:
            message = f"{bucket.address.url(path)} has changed; open the data set anew"
            raise StorageError(message) from error
        cut = range(0, len(found.data), BLOCK_BYTES)
        blocks = {first + i: found.data[at : at + BLOCK_BYTES] for i, at in enumerate(cut)}
        with self._guard:
            self._etags[bucket, path] = found.etag
            for number, block in blocks.items():
                self._blocks[bucket, path, number] = block
            while len(self._blocks) > self._most:
                self._blocks.popitem(last=False)
        return blocks


_shared = BlockCache()


def shared_cache() -> BlockCache:
    """The process's own; a forked process begins with none."""
    return _shared


def _forget() -> None:
    global _shared  # its lock may have been held when the process was forked
    _shared = BlockCache()


os.register_at_fork(after_in_child=_forget)
