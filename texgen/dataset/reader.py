"""A finished data set, read by key or position: index, manifests and textures."""

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
from texgen.storage import Sink, open_sink

# pyarrow ships no types.
ArrowBatch: TypeAlias = Any
"""A `pyarrow.RecordBatch`."""

_BATCH = 4096


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

    def rows(self, split: str, columns: Sequence[str] | None = None) -> Iterator[ManifestRow]:
        """The rows of a split in key order.

        Args:
            split: Name of the split.
            columns: Those wanted; None is all.

        Raises:
            DatasetError: If a manifest cannot be read.
        """
        for batch in self.batches(split, columns):
            yield from batch.to_pylist()

    def batches(self, split: str, columns: Sequence[str] | None = None) -> Iterator[ArrowBatch]:
        """The rows of a split in key order, as Arrow batches of bounded size.

        Args:
            split: Name of the split.
            columns: Those wanted; None is all.

        Raises:
            DatasetError: If a manifest cannot be read.
        """
        for manifest in self.index.splits[split].manifest:
            with self._manifest(manifest) as file:
                yield from pq.ParquetFile(file).iter_batches(_BATCH, columns=columns)

    def row(self, key: str, split: str | None = None) -> tuple[str, ManifestRow]:
        """The split and the row of a texture; the first where several splits have that key.

        Args:
            key: Of the texture.
            split: Where to look; None is every split.

        Raises:
            DatasetError: If there is none of that key, or no such split.
        """
        for found in self.homes(key, split):
            return found
        message = f"no texture has the key {key!r}"
        if near := self._near(key):
            message += f"; near it: {', '.join(near)}"
        raise DatasetError(message)

    def homes(self, key: str, split: str | None = None) -> Iterator[tuple[str, ManifestRow]]:
        """Split and row of every texture of that key: keys are unique within a split only."""
        names = sorted(self.index.splits)
        if split is not None and split not in names:
            message = f"there is no split {split!r}; there are {', '.join(names)}"
            raise DatasetError(message)
        for name in names if split is None else [split]:
            for manifest in self.index.splits[name].manifest:
                with self._manifest(manifest) as file:
                    # Row groups whose least and greatest key lie elsewhere are not read.
                    table = pq.read_table(file, filters=[("key", "==", key)])
                if table.num_rows:
                    yield name, table.to_pylist()[0]

    def sample(self, split: str, count: int) -> list[ManifestRow]:
        """At most ``count`` rows of a split that have a texture, spread over its keys."""
        textures = self.index.splits[split].textures
        wanted = np.unique(np.arange(count) * textures // max(1, count))
        found: list[ManifestRow] = []
        seen = 0
        for batch in self.batches(split):
            there = np.flatnonzero(pc.equal(batch["status"], "ok").to_numpy(zero_copy_only=False))
            chosen = there[wanted[(wanted >= seen) & (wanted < seen + len(there))] - seen]
            if len(chosen):
                # Only these become Python objects: a split may have a million rows.
                found += batch.take(pa.array(chosen)).to_pylist()
            seen += len(there)
        return found

    def spread(self, count: int) -> list[tuple[str, ManifestRow]]:
        """Split and row of at most ``count`` textures, spread over the whole set.

        Each split that has textures gets one at least, while there are enough, and else its
        share; largest remainders first.
        """
        sizes = {name: split.textures for name, split in self.index.splits.items()}
        shares = _shares(sizes, count)
        return [(name, row) for name in sorted(shares) for row in self.sample(name, shares[name])]

    def image(self, row: ManifestRow) -> bytes:
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

    @contextlib.contextmanager
    def _manifest(self, manifest: ManifestFile) -> Iterator[ArrowFile]:
        """An open manifest file; errors of what is read from it are of one kind."""
        try:
            with self.sink.open(manifest.path) as file:
                if not has_schema(file):
                    message = f"{manifest.path} has not the columns of a manifest"
                    raise DatasetError(message)
                yield file
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


def _shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """``count`` dealt out in proportion to ``sizes``, none above its size."""
    there = sorted((name for name in sizes if sizes[name] > 0), key=lambda name: -sizes[name])
    total = sum(sizes[name] for name in there)
    count = min(count, total)
    exact = {name: count * sizes[name] / total for name in there}
    shares = {name: min(sizes[name], max(1, int(exact[name]))) for name in there[:count]}
    while sum(shares.values()) != count:
        # Too few are dealt out where fractions were cut, too many where each got one at least.
        step = 1 if sum(shares.values()) < count else -1
        open_ = [n for n in shares if (shares[n] < sizes[n] if step > 0 else shares[n] > 1)]
        shares[max(open_, key=lambda name: step * (exact[name] - shares[name]))] += step
    return shares


def open_split(location: str, split: str) -> tuple[Dataset, SplitIndex]:
    """A data set and one split of its index.

    Args:
        location: OUT.
        split: Name of the split.

    Raises:
        DatasetError: If there is no finished data set, or none with that split.
    """
    dataset = Dataset(open_sink(location))
    found = dataset.index.splits.get(split)
    if found is None:
        there = ", ".join(sorted(dataset.index.splits))
        message = f"{location} has no split {split!r}; it has {there}"
        raise DatasetError(message)
    return dataset, found
