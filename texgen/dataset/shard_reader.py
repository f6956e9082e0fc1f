"""Reads the bytes of single textures from shards that stay where they are."""

from __future__ import annotations

from texgen.core.errors import DatasetError
from texgen.storage import open_store
from texgen.storage.cache import PieceReader
from texgen.storage.errors import StoreError


class ShardReader:
    """Reads ranges of bytes of shards; it belongs to the process that made it.

    Args:
        location: OUT.
    """

    def __init__(self, location: str) -> None:
        self._store = open_store(location)
        self._pieces = PieceReader(self._store)

    def read(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes of a shard from ``start`` to before ``end``.

        Raises:
            DatasetError: If the shard cannot be read, or is shorter.
        """
        try:
            data = self._pieces.read(path, start, end)
        except StoreError as error:
            message = f"{error}; run `texgen verify` for details"
            raise DatasetError(message) from error
        except (OSError, ValueError) as error:
            place = self._store.place(path)
            message = f"{place} cannot be read ({error}); run `texgen verify` for details"
            raise DatasetError(message) from error
        if len(data) < end - start:
            message = f"{path} is cut off; run `texgen verify` for details"
            raise DatasetError(message)
        return data
