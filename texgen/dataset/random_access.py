"""Reads single textures of a finished data set, by key or position."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from texgen.core.decode import decode
from texgen.core.errors import DatasetError, ImageError
from texgen.core.keys import find_key, lower_bound
from texgen.core.types import ArrowTable, Pixels
from texgen.dataset.reader import Dataset, manifest_errors, open_split
from texgen.dataset.shard_reader import ShardReader
from texgen.storage import Sink

_COLUMNS = ["key", "label", "shard", "offset", "length"]


class MissingTextureError(DatasetError, KeyError):
    """The key has no texture."""

    # `KeyError` would print the message in quotes.
    __str__ = Exception.__str__


class TextureStore:
    """The textures of one split, by key or by position in key order.

    Nothing is unpacked, and a shard is opened only when one of its textures is read. Offsets come
    from the manifest. Bytes come from shards that are mapped into memory or, in a bucket, from
    ranged reads through a cache. A store may be passed to forked or spawned workers; each worker
    maps and connects for itself.

    Args:
        location: OUT: a folder, or ``s3://bucket/prefix`` at the endpoint that the
            environment names.
        split: Name of the split.

    Attributes:
        labels: (n,) int32, label of each texture; -1 where there is none.

    Raises:
        DatasetError: If there is no finished data set, or it has no such split.
    """

    def __init__(self, location: str | Path, split: str = "train") -> None:
        self.location = str(location)
        self.split = split
        self._files = ShardReader(self.location)
        table = _read_locations(self.location, split)
        # Columns are popped one by one, so that no column is in memory twice for long.
        columns = {name: table[name] for name in table.column_names}
        del table
        self.labels: NDArray[np.int32] = columns.pop("label").fill_null(-1).to_numpy()
        self._offsets = columns.pop("offset").to_numpy()
        self._lengths = columns.pop("length").to_numpy()
        shards = columns.pop("shard").combine_chunks()
        self._keys = columns.pop("key").combine_chunks()
        self._shard_of = shards.indices.to_numpy()
        self._shards: list[str] = shards.dictionary.to_pylist()

    def __len__(self) -> int:
        return len(self._keys)

    def keys(self) -> Iterator[str]:
        """Yields the keys in order."""
        return (key.as_py() for key in self._keys)

    def key(self, position: int) -> str:
        """Returns the key at a position.

        Raises:
            IndexError: If there is no such position.
        """
        key: str = self._keys[self._checked(position)].as_py()
        return key

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and find_key(self._keys, key) is not None

    def position(self, key: str) -> int:
        """Returns the position of a key.

        Raises:
            MissingTextureError: If the key has no texture, with the reason in the manifest.
        """
        position = find_key(self._keys, key)
        if position is None:
            raise MissingTextureError(self._missing_reason(key))
        return position

    def positions(self, image_key: str) -> range:
        """Returns the positions of all textures of an image; an empty range if it has none.

        Args:
            image_key: Key of the image, which is also the key of its first texture.
        """
        # Further textures append "+" and a number to the key; "," sorts right after "+" and is
        # in no key.
        return range(lower_bound(self._keys, image_key), lower_bound(self._keys, f"{image_key},"))

    def textured(self, image_keys: ArrowTable) -> NDArray[np.bool_]:
        """Returns which images have a texture.

        Args:
            image_keys: Keys of n images, a sequence or an Arrow array of strings.

        Returns:
            (n,) bool.
        """
        own_images = pc.replace_substring_regex(self._keys, r"\+[0-9]+$", "")
        textured = pc.is_in(pa.array(image_keys, pa.string()), own_images)
        return np.asarray(textured.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def __getitem__(self, which: str | int) -> Pixels:
        """Returns the pixels of a texture, (size, size, 3) uint8, by key or position.

        Raises:
            MissingTextureError: If the key has no texture.
            IndexError: If there is no such position.
            DatasetError: If the shard cannot be read.
        """
        return np.asarray(self.image(which))

    def image(self, which: str | int) -> Image.Image:
        """Returns a texture as an RGB image; see `__getitem__`."""
        position = self._position_of(which)
        return open_texture(self.read(position), self.key(position), self.location)

    def read(self, which: str | int) -> bytes:
        """Returns a texture's encoded file as it is in the shard; see `__getitem__`."""
        position = self._position_of(which)
        start = int(self._offsets[position])
        end = start + int(self._lengths[position])
        return self._files.read(self._shards[self._shard_of[position]], start, end)

    def _position_of(self, which: str | int) -> int:
        return self.position(which) if isinstance(which, str) else self._checked(which)

    def _checked(self, position: int) -> int:
        if not -len(self) <= position < len(self):
            raise IndexError(f"no position {position}; there are {len(self)} textures")
        return position % len(self)

    def _missing_reason(self, key: str) -> str:
        try:
            split, row = Dataset(Sink(self.location)).row(key)
        except DatasetError as error:
            return str(error)
        if split != self.split:
            return f"{key!r} is in the split {split!r}, not in {self.split!r}"
        return f"{key!r} has no texture: {row['error']}"

    def __getstate__(self) -> dict[str, str]:
        return {"location": self.location, "split": self.split}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def open_texture(data: bytes, key: str, location: str) -> Image.Image:
    """Decodes a texture's file to RGB; key and OUT are named in the error.

    Raises:
        DatasetError: If the file is damaged.
    """
    try:
        return Image.fromarray(decode(data))
    except ImageError as error:
        raise DatasetError(
            f"{location}: the texture of {key} is damaged; run `texgen verify` to find its shard"
        ) from error


def _read_locations(location: str, split: str) -> ArrowTable:
    """Reads where the textures of a split lie, in key order; shards are dictionary-encoded."""
    dataset, index = open_split(location, split)
    shards = frozenset(file.path for file in index.shards)
    tables = []
    for manifest in index.manifest:
        with manifest_errors(manifest.path):
            file: Any = dataset.sink.open(manifest.path)
            parquet = pq.ParquetFile(file, read_dictionary=["shard"], pre_buffer=False)
            # Row groups are read one by one, since decoding takes more memory than its result.
            groups = [
                parquet.read_row_groups(numbers, columns=_COLUMNS, use_threads=False)
                # An empty list gives a table without rows, for a manifest without row groups.
                for numbers in [[], *([number] for number in range(parquet.num_row_groups))]
            ]
        # Failed rows have no shard, and some shards may not have been downloaded.
        tables += [_in_shards(group, shards) for group in groups]
    # Otherwise this process and each worker of a loader would keep the memory of decoding.
    pa.default_memory_pool().release_unused()
    return pa.concat_tables(tables).unify_dictionaries()


def _in_shards(table: ArrowTable, shards: frozenset[str]) -> ArrowTable:
    """Returns the rows whose shard is one of ``shards``; the table itself if all are."""
    column = table["shard"]
    named = {name for chunk in column.chunks for name in chunk.dictionary.to_pylist()}
    if column.null_count == 0 and named <= shards:
        # A copy of a large manifest would be most of a store's memory.
        return table
    return table.filter(pc.is_in(column.cast(pa.string()), pa.array(sorted(shards), pa.string())))
