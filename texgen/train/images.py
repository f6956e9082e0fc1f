"""The photographs of a split, by position: from all that `texgen build` reads, and STL-10."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from texgen.core.errors import ConfigError, ImageError, SourceReadError
from texgen.core.types import ArrowTable, ImageEntry
from texgen.source import EXPECTED, SourceSpec, open_source
from texgen.source.decode import decode

_AS_USUAL: Mapping[str, Any] = MappingProxyType({})

STL10_SIDE = 96
STL10_PARTS = {"train": ("unlabeled", "train"), "val": ("test",), "test": ("test",)}
"""Files of each split; pretraining takes photographs with labels as well as those without."""


class ImageSet(Protocol):
    """Photographs by position, in key order.

    Attributes:
        keys: Arrow array of n texts: keys as `texgen build` gives them.
        labels: (n,) int32; -1 where there is none.
        classes: Names of the classes in label order.
    """

    keys: ArrowTable
    labels: NDArray[np.int32]
    classes: tuple[str, ...]

    def image(self, position: int) -> Image.Image:
        """The photograph, RGB.

        Raises:
            ConfigError: If it cannot be read; names it and the mend.
        """
        ...


class SourcePhotographs:
    """Those of a folder, ILSVRC's tars, WebDataset or Parquet; read in place.

    Args:
        spec: Of the source.
        split: Its name; where SRC names no splits, all is of this one.

    Raises:
        SourceError: If there is nothing, or no such split.
    """

    def __init__(self, spec: SourceSpec, split: str) -> None:
        self._source = open_source(spec)
        listing = next((one for one in self._source.splits() if one.name == split), None)
        if listing is None:
            message = f"--src {spec.location}: there is no split {split!r}"
            raise ConfigError(message)
        self.classes = listing.classes
        table = _as_table(self._source.entries(listing))
        if not len(table):
            message = f"--src {spec.location}: no images in {split}; {EXPECTED}"
            raise ConfigError(message)
        self.keys, self._sources, self._locators = (
            table[name].combine_chunks() for name in ("key", "source", "locator")
        )
        self._sizes = table["size"].to_numpy()
        self.labels = table["label"].to_numpy()

    def image(self, position: int) -> Image.Image:
        """See `ImageSet.image`."""
        source = self._sources[position].as_py()
        entry = ImageEntry(
            key=self.keys[position].as_py(),
            source=source,
            locator=self._locators[position].as_py(),
            size=int(self._sizes[position]),
            label=None,
            class_name=None,
        )
        try:
            image = Image.fromarray(decode(self._source.read(entry)))
        except (ImageError, SourceReadError) as error:
            message = f"{source}: {error}; take it out of SRC, or put a whole one there"
            raise ConfigError(message) from error
        return image


_SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "source": pa.string(),
        "locator": pa.binary(),
        "size": pa.int64(),
        "label": pa.int32(),
    }
)


def _as_table(entries: Iterable[ImageEntry]) -> ArrowTable:
    """In columns: a million entries as objects would be half a gigabyte in each worker."""
    rows = (
        (e.key, e.source, e.locator, e.size, -1 if e.label is None else e.label) for e in entries
    )
    parts = [_SCHEMA.empty_table()]
    while part := list(itertools.islice(rows, 65536)):
        columns = [
            pa.array(c, kind)
            for c, kind in zip(zip(*part, strict=True), _SCHEMA.types, strict=True)
        ]
        parts.append(pa.table(columns, schema=_SCHEMA))
    return pa.concat_tables(parts)


class Stl10:
    """STL-10's own binary files, 96 px (Coates et al. 2011).

    Args:
        folder: Holds ``unlabeled_X.bin``, ``train_X.bin``, ``train_y.bin``, ….
        parts: Names of the files to take, see `STL10_PARTS`.

    Raises:
        ConfigError: If a file is missing or of another size.
    """

    def __init__(self, folder: Path, parts: Sequence[str]) -> None:
        self._pixels = [_stl10_pixels(folder / f"{part}_X.bin") for part in parts]
        self._ends = np.cumsum([len(pixels) for pixels in self._pixels])
        names = [
            f"{part}/{number:06d}"
            for part, pixels in zip(parts, self._pixels, strict=True)
            for number in range(len(pixels))
        ]
        self.keys = pa.array(names, pa.string())
        self.labels = np.concatenate(
            [
                _stl10_labels(folder / f"{part}_y.bin", len(pixels))
                for part, pixels in zip(parts, self._pixels, strict=True)
            ]
        )
        listed = folder / "class_names.txt"
        self.classes = tuple(listed.read_text().split()) if listed.is_file() else ()

    def image(self, position: int) -> Image.Image:
        """See `ImageSet.image`."""
        part = int(np.searchsorted(self._ends, position, side="right"))
        first = int(self._ends[part - 1]) if part else 0
        # Channels first, and each channel by columns.
        pixels = self._pixels[part][position - first].transpose(2, 1, 0)
        return Image.fromarray(np.ascontiguousarray(pixels))


def _stl10_pixels(path: Path) -> NDArray[np.uint8]:
    bytes_each = 3 * STL10_SIDE * STL10_SIDE
    try:
        size = path.stat().st_size
        if size == 0 or size % bytes_each:
            message = f"{path}: {size} bytes are no whole number of 96 px images; fetch it again"
            raise ConfigError(message)
        return np.memmap(path, np.uint8, "r", shape=(size // bytes_each, 3, STL10_SIDE, STL10_SIDE))
    except OSError as error:
        message = f"{path}: {error.strerror}; --src takes the folder of STL-10's binary files"
        raise ConfigError(message) from error


def _stl10_labels(path: Path, count: int) -> NDArray[np.int32]:
    if not path.is_file():
        return np.full(count, -1, dtype=np.int32)
    labels = np.fromfile(path, np.uint8).astype(np.int32) - 1
    if len(labels) != count:
        message = f"{path}: {len(labels)} labels for {count} images; fetch it again"
        raise ConfigError(message)
    return labels


def has_splits(location: str, how: Mapping[str, Any] = _AS_USUAL) -> bool:
    """Whether SRC tells splits apart; one that does not answers to every name.

    Args:
        location: SRC.
        how: See `texgen.train.config.TrainConfig.how_read`.

    Raises:
        ConfigError: If there is nothing that can be read.
    """
    if how.get("format") is None and (Path(location) / "train_X.bin").is_file():
        return True
    return len(open_source(SourceSpec(location, (), **how)).splits()) > 1


def open_images(location: str, split: str, how: Mapping[str, Any] = _AS_USUAL) -> ImageSet:
    """The photographs of a split of SRC.

    Args:
        location: SRC.
        split: Name of the split.
        how: See `texgen.train.config.TrainConfig.how_read`.

    Raises:
        ConfigError: If there is nothing that can be read.
    """
    folder = Path(location)
    if how.get("format") is None and (folder / "train_X.bin").is_file():
        return Stl10(folder, STL10_PARTS.get(split, (split,)))
    return SourcePhotographs(SourceSpec(location, (split,), **how), split)
