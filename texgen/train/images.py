"""Images of a split by position: from every source that `texgen build` reads, and from STL-10."""

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

from texgen.core.decode import decode
from texgen.core.errors import ConfigError, ImageError, SourceReadError
from texgen.core.types import ArrowTable, ImageEntry
from texgen.source import EXPECTED_FORMS, SourceSpec, open_source

_DEFAULTS: Mapping[str, Any] = MappingProxyType({})

STL10_SIDE = 96
STL10_PARTS = {"train": ("unlabeled", "train"), "val": ("test",), "test": ("test",)}
"""Files of each split; the training split has the images with and without labels."""


class ImageSet(Protocol):
    """Images by position, in key order.

    Attributes:
        keys: Arrow array of n texts, the keys that `texgen build` gives the images.
        labels: (n,) int32; -1 for an image without a label.
        classes: Names of the classes, in the order of their labels.
    """

    keys: ArrowTable
    labels: NDArray[np.int32]
    classes: tuple[str, ...]

    def image(self, position: int) -> Image.Image:
        """Returns the image, RGB.

        Raises:
            ConfigError: If it cannot be read; names the image and what to do.
        """
        ...


class SourceImages:
    """Images of a folder, ILSVRC's tars, WebDataset or Parquet, read in place.

    Raises:
        ConfigError: If the source cannot be read, or has no such split or no images.
    """

    def __init__(self, spec: SourceSpec, split: str) -> None:
        self._source = open_source(spec)
        listing = next((one for one in self._source.splits() if one.name == split), None)
        if listing is None:
            raise ConfigError(f"--src {spec.location} has no split {split!r}")
        self.classes = listing.classes
        table = _as_table(self._source.entries(listing))
        if not len(table):
            raise ConfigError(f"--src {spec.location}: no images in {split}; {EXPECTED_FORMS}")
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
            return Image.fromarray(decode(self._source.read(entry)))
        except (ImageError, SourceReadError) as error:
            raise ConfigError(f"{source}: {error}; remove it from SRC, or replace it") from error


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
    """Returns entries as columns: a million objects would take half a gigabyte in each worker."""
    rows = (
        (e.key, e.source, e.locator, e.size, -1 if e.label is None else e.label) for e in entries
    )
    parts = [_SCHEMA.empty_table()]
    while part := list(itertools.islice(rows, 65536)):
        parts.append(pa.Table.from_arrays(list(zip(*part, strict=True)), schema=_SCHEMA))
    return pa.concat_tables(parts)


class Stl10:
    """Images of STL-10's binary files, 96 px (Coates et al. 2011).

    The files are ``unlabeled_X.bin``, ``train_X.bin``, ``train_y.bin``, …; see `STL10_PARTS`.

    Raises:
        ConfigError: If a file is missing or has a wrong size.
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
        class_names = folder / "class_names.txt"
        self.classes = tuple(class_names.read_text().split()) if class_names.is_file() else ()

    def image(self, position: int) -> Image.Image:
        """See `ImageSet.image`."""
        part = int(np.searchsorted(self._ends, position, side="right"))
        first = int(self._ends[part - 1]) if part else 0
        # The files store (channel, column, row).
        pixels = self._pixels[part][position - first].transpose(2, 1, 0)
        return Image.fromarray(np.ascontiguousarray(pixels))


def _stl10_pixels(path: Path) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, np.uint8, "r").reshape(-1, 3, STL10_SIDE, STL10_SIDE)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; set --src to the folder of STL-10's binary files"
        ) from error
    except ValueError as error:
        size = path.stat().st_size
        raise ConfigError(
            f"{path}: {size} bytes are not a whole number of 96 px images; download it again"
        ) from error


def _stl10_labels(path: Path, count: int) -> NDArray[np.int32]:
    if not path.is_file():
        return np.full(count, -1, dtype=np.int32)
    labels = np.fromfile(path, np.uint8).astype(np.int32) - 1
    if len(labels) != count:
        raise ConfigError(f"{path}: {len(labels)} labels for {count} images; download it again")
    return labels


def _is_stl10(location: str, how: Mapping[str, Any]) -> bool:
    return how.get("format") is None and (Path(location) / "train_X.bin").is_file()


def has_splits(location: str, how: Mapping[str, Any] = _DEFAULTS) -> bool:
    """Whether SRC has several splits; with one split, `open_images` accepts any name for it.

    Raises:
        ConfigError: If SRC cannot be read.
    """
    if _is_stl10(location, how):
        return True
    return len(open_source(SourceSpec(location, (), **how)).splits()) > 1


def open_images(location: str, split: str, how: Mapping[str, Any] = _DEFAULTS) -> ImageSet:
    """Opens the images of a split of SRC; a source without splits has all its images in it.

    Args:
        location: Path or URL of SRC.
        split: Name of the split.
        how: See `texgen.train.config.TrainConfig.how_read`.

    Raises:
        ConfigError: If SRC cannot be read, or has no such split or no images.
    """
    if _is_stl10(location, how):
        return Stl10(Path(location), STL10_PARTS.get(split, (split,)))
    return SourceImages(SourceSpec(location, (split,), **how), split)
