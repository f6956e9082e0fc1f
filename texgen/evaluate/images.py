"""Images for a frozen encoder: where they come from, and how they are looked at."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import functional as F

from texgen.core.errors import ConfigError, TexgenError
from texgen.dataset.reader import open_split
from texgen.evaluate.run import TrainedRun
from texgen.source import SPLIT_NAMES
from texgen.train import loader as loading
from texgen.train.augment import Augmentation, centre_view, normalised
from texgen.train.images import ImageSet, open_images
from texgen.train.loader import LoaderSpec, raise_sample_errors
from texgen.train.loader_errors import as_sample_error
from texgen.train.negatives import open_textures
from texgen.train.pairs import EpochPosition, Sample


class EvalTransform(Protocol):
    """Makes of an image what the encoder gets; is pickled to loaders' workers."""

    def __call__(self, image: Image.Image, draw: EpochPosition) -> Tensor:
        """(3, size, size) float32, normalised, of an RGB image at (epoch, position)."""
        ...


@dataclass(frozen=True, slots=True)
class CentreLook:
    """The middle of a photograph, see `centre_view`."""

    size: int

    def __call__(self, image: Image.Image, draw: EpochPosition) -> Tensor:
        """See `EvalTransform`."""
        return centre_view(image, self.size)


@dataclass(frozen=True, slots=True)
class WholeLook:
    """All of an image that was cut already: ImageNet-C, cue-conflict stimuli, textures."""

    size: int

    def __call__(self, image: Image.Image, draw: EpochPosition) -> Tensor:
        """See `EvalTransform`."""
        return normalised(F.center_crop(F.resize(image, self.size, antialias=True), [self.size]))


@dataclass(frozen=True, slots=True)
class RandomLook:
    """A random view, its numbers from (seed, epoch, position)."""

    augmentation: Augmentation
    seed: int

    def __call__(self, image: Image.Image, draw: EpochPosition) -> Tensor:
        """See `EvalTransform`."""
        rng = random.Random(f"{self.seed}/{draw[0]}/{draw[1]}")  # noqa: S311
        return self.augmentation.draw(rng)(image)


class _Looks(Dataset[Sample]):
    def __init__(self, photographs: ImageSet, look: EvalTransform) -> None:
        self._photographs = photographs
        self._look = look

    def __getitem__(self, draw: EpochPosition) -> Sample:
        position = draw[1]
        try:
            image = self._look(self._photographs.image(position), draw)
        except (TexgenError, MemoryError, OSError) as error:
            return as_sample_error(error)
        return {"image": image, "label": torch.tensor(int(self._photographs.labels[position]))}


def make_loader(
    run: TrainedRun,
    photographs: ImageSet,
    look: EvalTransform,
    draws: Sampler[EpochPosition] | Sequence[EpochPosition],
    batch: int,
) -> DataLoader[Sample]:
    """Loads images in the order of ``draws``, in ``run.workers`` processes."""
    pixels = 3 * run.config.size**2
    spec = LoaderSpec(run.workers, batch, pixels, pin=run.device.type == "cuda")
    return loading.make_loader(_Looks(photographs, look), spec, draws)


def batches(loader: Iterable[Sample], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, 3, size, size) and labels (B,) of a loader.

    Raises:
        TexgenError: If an image cannot be read.
    """
    for batch in raise_sample_errors(loader):
        yield batch["image"].to(device, non_blocking=True), batch["label"].to(device)


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Photographs with a class.

    Attributes:
        name: Of the set, for people.
        photographs: Among them those without a class.
        positions: (n,) int64, those with one.
        classes: Their names, by label.
    """

    name: str
    photographs: ImageSet
    positions: NDArray[np.int64]
    classes: tuple[str, ...]


def with_labels(name: str, photographs: ImageSet) -> LabelledImages:
    """Those of the photographs that have a class.

    Raises:
        ConfigError: If none has.
    """
    labels = photographs.labels
    positions = np.flatnonzero(labels >= 0)
    if not len(positions):
        message = f"{name}: no image has a class; name a folder of class folders"
        raise ConfigError(message)
    numbers = tuple(str(number) for number in range(int(labels.max()) + 1))
    return LabelledImages(name, photographs, positions, tuple(photographs.classes) or numbers)


def labels_among(images: LabelledImages, learned: str, ours: Sequence[str]) -> Tensor:
    """What a classifier that learned their classes calls the labels of images.

    Args:
        images: To evaluate on.
        learned: Name of what was learned from, for the error.
        ours: Its classes.

    Returns:
        (T,) int64, by label of ``images``; -1 for a class that has no image there.

    Raises:
        ConfigError: If an image's class was not learned, or there is no choice.
    """
    label = {name: number for number, name in enumerate(ours)}
    there = np.unique(images.photographs.labels[images.positions])
    if missing := [images.classes[n] for n in there if images.classes[n] not in label]:
        message = f"{images.name} has classes that {learned} has not: {', '.join(missing[:3])}"
        raise ConfigError(message)
    if len(ours) < 2:
        message = f"{learned} has one class, and every answer would be right; name two or more"
        raise ConfigError(message)
    return torch.tensor([label.get(name, -1) for name in images.classes])


def open_labelled(
    location: str, split: str, how: Mapping[str, Any] | None = None
) -> LabelledImages:
    """The photographs of a split that have a class.

    Args:
        location: SRC.
        split: Name of the split.
        how: See `texgen.train.config.TrainConfig.how_read`.

    Raises:
        ConfigError: If there are none.
    """
    return with_labels(f"{location} ({split})", open_images(location, split, how or {}))


def open_folder(folder: str) -> LabelledImages:
    """A set that is one folder of class folders, whatever its name.

    Raises:
        ConfigError: If it is none.
    """
    own = Path(folder).name
    split = own if own in SPLIT_NAMES else "val"
    return with_labels(folder, open_images(folder, split))


class TextureImages:
    """The textures of a finished build as `ImageSet`.

    Args:
        location: OUT of the build.
        split: Its split.

    Raises:
        ConfigError: If there is no finished data set, or none with that split.
    """

    def __init__(self, location: str, split: str) -> None:
        self._store = open_textures(location, split)
        _, index = open_split(location, split)
        self.classes = tuple(index.classes)
        self.labels = self._store.labels
        self.keys = pa.array(self._store.keys(), pa.string())

    def image(self, position: int) -> Image.Image:
        """See `ImageSet.image`."""
        return self._store.image(position)
