"""A finished data set, read by key or position: index, manifests and textures."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from texgen.errors import DatasetError, StorageError
from texgen.index import Index, ManifestFile, read_index
from texgen.storage import Sink

Found = dict[str, Any]
"""A manifest's row, by column."""


class Dataset:
    """A finished data set.

    Args:
        sink: OUT.

    Attributes:
        sink: OUT.
        index: Its ``index.json``.

    Raises:
        DatasetError: If there is no index.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.index: Index = read_index(sink)

    def rows(self, split: str, columns: Sequence[str] | None = None) -> Iterator[Found]:
        """The rows of a split in key order.

        Args:
            split: Name of the split.
            columns: Those wanted; None is all.

        Raises:
            DatasetError: If a manifest cannot be read.
        """
        for manifest in self.index.splits[split].manifest:
            file = self._open(manifest)
            for batch in file.iter_batches(4096, columns=columns):
                yield from batch.to_pylist()

    def row(self, key: str) -> tuple[str, Found]:
        """The split and the row of a texture.

        Raises:
            DatasetError: If there is none of that key.
        """
        for name, split in sorted(self.index.splits.items()):
            for manifest in split.manifest:
                # Row groups whose least and greatest key lie elsewhere are not read.
                table = self._open(manifest, key)
                if table.num_rows:
                    found: Found = table.to_pylist()[0]
                    return name, found
        message = f"no texture has the key {key!r}"
        if near := self._near(key):
            message += f"; near it: {', '.join(near)}"
        raise DatasetError(message)

    def sample(self, split: str, count: int) -> list[Found]:
        """At most ``count`` rows of a split that have a texture, spread over its keys."""
        textures = self.index.splits[split].textures
        wanted = {number * textures // count for number in range(count)}
        there = (row for row in self.rows(split) if row["status"] == "ok")
        return [row for number, row in enumerate(there) if number in wanted]

    def image(self, row: Found) -> bytes:
        """The encoded texture of a row.

        Raises:
            DatasetError: If the row has none, or the shard is not what it was.
        """
        if row["status"] != "ok":
            message = f"{row['key']} has no texture: {row['error']}"
            raise DatasetError(message)
        try:
            data = self.sink.read(row["shard"], row["offset"], row["length"])
        except StorageError as error:
            message = f"{row['key']} cannot be read: {error}"
            raise DatasetError(message) from error
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            message = f"{row['key']}: {row['shard']} is damaged; `texgen verify` says more"
            raise DatasetError(message)
        return data

    def _open(self, manifest: ManifestFile, key: str | None = None) -> Any:  # noqa: ANN401 - pyarrow
        try:
            file = self.sink.open(manifest.path)
            if key is None:
                return pq.ParquetFile(file)
            return pq.read_table(file, filters=[("key", "==", key)])
        except (StorageError, pa.ArrowException, OSError) as error:
            message = f"{manifest.path} cannot be read ({error}); `texgen verify` says more"
            raise DatasetError(message) from error

    def _near(self, key: str) -> list[str]:
        """A few keys that contain ``key``, or its last part."""
        part = key.rpartition("/")[2] or key
        keys = (
            row["key"] for name in sorted(self.index.splits) for row in self.rows(name, ["key"])
        )
        return list(itertools.islice((found for found in keys if part in found), 3))
