"""The textures that a card shows, chosen by position so that every publisher shows the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from texgen.core.errors import DatasetError
from texgen.core.layout import card_image_path
from texgen.dataset.index import Index
from texgen.dataset.reader import Dataset

COUNT = 6


@dataclass(frozen=True, slots=True)
class Example:
    """A texture on the card.

    Attributes:
        path: Path of its file relative to OUT.
        data: The texture's own file, as it is in the shard.
        key: Key of the texture.
        split: Name of its split.
    """

    path: str
    data: bytes
    key: str
    split: str


class DamagedExampleError(DatasetError):
    """A texture that a card would show cannot be read.

    Args:
        path: Path of its shard.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def example_files(dataset: Dataset) -> list[Example]:
    """Returns `COUNT` textures, or all, spread over the shards of the data set.

    Raises:
        DamagedExampleError: If one of them cannot be read.
        DatasetError: If a manifest cannot be read.
    """
    return [
        Example(card_image_path(number, dataset.index.config["format"]), *_texture(dataset, *place))
        for number, place in enumerate(_places(dataset.index), 1)
    ]


def _texture(dataset: Dataset, split: str, shard: str, position: int) -> tuple[bytes, str, str]:
    """Returns bytes, key and split of a texture."""
    rows = dataset.shard_rows(split, shard)
    try:
        row = rows[position]
        return dataset.image(row), row["key"], split
    except (DatasetError, IndexError) as error:
        raise DamagedExampleError(shard) from error


def _places(index: Index) -> Iterator[tuple[str, str, int]]:
    """Yields split, shard and position in the shard of each example."""
    count = min(COUNT, index.samples)
    wanted = [(2 * number + 1) * index.samples // (2 * count) for number in range(count)]
    first = 0
    for name in sorted(index.splits):
        for shard in index.splits[name].shards:
            for position in wanted:
                if first <= position < first + shard.samples:
                    yield name, shard.path, position - first
            first += shard.samples
