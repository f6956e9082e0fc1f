"""Reads a finished data set: index, manifest rows and textures."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from texgen.core.errors import DatasetError, StorageError
from texgen.core.types import ArrowFile
from texgen.dataset.index import Index, ManifestFile, SplitIndex, read_index
from texgen.dataset.manifest import ManifestRow, has_schema
from texgen.storage import Sink

# pyarrow ships no types.
ArrowBatch: TypeAlias = Any
"""A `pyarrow.RecordBatch`."""

_BATCH_ROWS = 4096


class Dataset:
    """A finished data set.

    Attributes:
        sink: OUT.
        index: Content of its ``index.json``.

    Raises:
        DatasetError: If there is no index.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.index: Index = read_index(sink)

    def rows(self, split: str, columns: Sequence[str] | None = None) -> Iterator[ManifestRow]:
        """Yields the rows of a split in key order; see `batches` for arguments and errors."""
        for batch in self.batches(split, columns):
            yield from batch.to_pylist()

    def batches(self, split: str, columns: Sequence[str] | None = None) -> Iterator[ArrowBatch]:
        """Yields the rows of a split in key order, as Arrow batches of bounded size.

        Args:
            split: Name of the split.
            columns: Names of the columns to read; None reads all.

        Raises:
            DatasetError: If a manifest cannot be read.
        """
        for manifest in self.index.splits[split].manifest:
            with self._manifest(manifest) as file:
                yield from pq.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=columns)

    def row(self, key: str, split: str | None = None) -> tuple[str, ManifestRow]:
        """Returns the split and the row of a texture, of the first split that has the key.

        Args:
            key: Key of the texture.
            split: Split to search; None searches every split.

        Raises:
            DatasetError: If no texture has the key, or there is no such split.
        """
        for split_and_row in self.rows_of_key(key, split):
            return split_and_row
        message = f"no texture has the key {key!r}"
        if similar := self._similar_keys(key):
            message += f"; near it: {', '.join(similar)}"
        raise DatasetError(message)

    def rows_of_key(self, key: str, split: str | None = None) -> Iterator[tuple[str, ManifestRow]]:
        """Yields split and row of every texture with a key, which is unique within a split only."""
        names = sorted(self.index.splits)
        if split is not None and split not in names:
            raise DatasetError(f"there is no split {split!r}; there are {', '.join(names)}")
        for name in names if split is None else [split]:
            for manifest in self.index.splits[name].manifest:
                with self._manifest(manifest) as file:
                    # Row groups whose range of keys does not cover the key are not read.
                    table = pq.read_table(file, filters=[("key", "==", key)])
                if table.num_rows:
                    yield name, table.to_pylist()[0]

    def shard_rows(self, split: str, shard: str) -> list[ManifestRow]:
        """Returns the rows of the textures in one shard, in key order.

        Args:
            split: Name of the split.
            shard: Path of the shard.

        Raises:
            DatasetError: If a manifest cannot be read.
        """
        rows: list[ManifestRow] = []
        for manifest in self.index.splits[split].manifest:
            with self._manifest(manifest) as file:
                # Row groups whose range of paths does not cover the path are not read.
                rows += pq.read_table(file, filters=[("shard", "==", shard)]).to_pylist()
        return rows

    def sample(self, split: str, count: int) -> list[ManifestRow]:
        """Returns ``count`` rows of a split that have a texture, or all, spread over its keys."""
        textures = self.index.splits[split].textures
        wanted = np.unique(np.arange(count) * textures // max(1, count))
        rows: list[ManifestRow] = []
        first = 0
        for batch in self.batches(split):
            made = np.flatnonzero(pc.equal(batch["status"], "ok").to_numpy(zero_copy_only=False))
            chosen = made[wanted[(wanted >= first) & (wanted < first + len(made))] - first]
            if len(chosen):
                # Only these become Python objects: a split may have a million rows.
                rows += batch.take(pa.array(chosen)).to_pylist()
            first += len(made)
        return rows

    def sample_textures(self, count: int) -> list[tuple[str, ManifestRow]]:
        """Returns split and row of ``count`` textures, or of all, spread over the data set.

        Splits share ``count`` in proportion to their textures, largest remainders first. Each
        split that has textures gets at least one as far as ``count`` reaches.
        """
        sizes = {name: split.textures for name, split in self.index.splits.items()}
        shares = _shares(sizes, count)
        return [(name, row) for name in sorted(shares) for row in self.sample(name, shares[name])]

    def image(self, row: ManifestRow) -> bytes:
        """Returns the encoded texture of a row.

        Raises:
            DatasetError: If the row has no texture, or the shard is damaged.
        """
        if row["status"] != "ok":
            raise DatasetError(f"{row['key']} has no texture: {row['error']}")
        try:
            data = self.sink.read(row["shard"], row["offset"], row["length"])
        except StorageError as error:
            raise DatasetError(f"{row['key']} cannot be read: {error}") from error
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise DatasetError(
                f"{row['key']}: {row['shard']} is damaged; run `texgen verify` for details"
            )
        return data

    @contextlib.contextmanager
    def _manifest(self, manifest: ManifestFile) -> Iterator[ArrowFile]:
        """Opens a manifest file and checks its columns."""
        with manifest_errors(manifest.path), self.sink.open(manifest.path) as file:
            if not has_schema(file):
                raise DatasetError(f"{manifest.path} does not have the columns of a manifest")
            yield file

    def _similar_keys(self, key: str) -> list[str]:
        """Returns up to three keys that contain ``key``, or its last part."""
        part = key.rpartition("/")[2] or key
        keys = (
            row["key"] for name in sorted(self.index.splits) for row in self.rows(name, ["key"])
        )
        return list(itertools.islice((other for other in keys if part in other), 3))


@contextlib.contextmanager
def manifest_errors(path: str) -> Iterator[None]:
    """Turns errors in reading the manifest file at ``path`` into a `DatasetError`."""
    try:
        yield
    except (StorageError, pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}); run `texgen verify` for details"
        ) from error


def _shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """Divides ``count`` in proportion to ``sizes``; no share exceeds its size."""
    names = sorted((name for name in sizes if sizes[name] > 0), key=lambda name: -sizes[name])
    total = sum(sizes[name] for name in names)
    count = min(count, total)
    exact = {name: count * sizes[name] / total for name in names}
    shares = {name: min(sizes[name], max(1, int(exact[name]))) for name in names[:count]}
    while sum(shares.values()) != count:
        # The sum is too small if fractions were cut off, too large if small shares became one.
        step = 1 if sum(shares.values()) < count else -1
        adjustable = [n for n in shares if (shares[n] < sizes[n] if step > 0 else shares[n] > 1)]
        shares[max(adjustable, key=lambda name: step * (exact[name] - shares[name]))] += step
    return shares


def open_split(location: str, split: str) -> tuple[Dataset, SplitIndex]:
    """Opens a data set and one split of its index.

    Raises:
        DatasetError: If there is no finished data set, or it has no such split.
    """
    dataset = Dataset(Sink(location))
    split_index = dataset.index.splits.get(split)
    if split_index is None:
        raise DatasetError(
            f"{location} has no split {split!r}; it has {', '.join(sorted(dataset.index.splits))}"
        )
    return dataset, split_index
