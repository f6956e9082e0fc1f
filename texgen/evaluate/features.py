"""Images for a frozen encoder, how they are transformed, and the features that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from texgen.evaluate.corruptions import corrupt
from texgen.evaluate.run import TrainedRun
from texgen.source import SPLIT_NAMES
from texgen.train.augment import centre, normalised
from texgen.train.images import ImageSet, open_images
from texgen.train.loader import LoaderSpec, make_loader, raise_sample_errors
from texgen.train.loader_errors import as_sample_error
from texgen.train.negatives import open_textures
from texgen.train.pairs import EpochPosition, Sample

_BATCH = 256


EvalTransform = Callable[[Image.Image, int, EpochPosition], Tensor]
"""Turns an RGB image at (epoch, position) into the encoder's input, (3, size, size) float32,
normalised. It is pickled for the loader's processes."""


def centre_view(image: Image.Image, size: int, draw: EpochPosition) -> Tensor:
    """The `centre` of an image; see `EvalTransform`."""
    return normalised(centre(image, size))


def whole_view(image: Image.Image, size: int, draw: EpochPosition) -> Tensor:
    """The whole of an image that is already cropped: ImageNet-C, cue-conflict stimuli, textures."""
    return normalised(F.center_crop(F.resize(image, size, antialias=True), [size]))


def corrupted_view(
    name: str, severity: int, image: Image.Image, size: int, draw: EpochPosition
) -> Tensor:
    """The `centre` of an image with a corruption of ImageNet-C, but with other random numbers."""
    seed = f"0/{name}/{severity}/{draw[1]}"
    return normalised(corrupt(centre(image, size), name, severity, seed))


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """The images of a set that have a class.

    Attributes:
        name: Name of the set for messages.
        image_set: The whole set, with images that have no class.
        positions: (n,) int64 positions of the images that have one.
        classes: Names of the classes in label order.
    """

    name: str
    image_set: ImageSet
    positions: NDArray[np.int64]
    classes: tuple[str, ...]


def with_labels(name: str, image_set: ImageSet) -> LabelledImages:
    """Selects the images of a set that have a class.

    Raises:
        ConfigError: If no image has a class.
    """
    labels = image_set.labels
    positions = np.flatnonzero(labels >= 0)
    if not len(positions):
        raise ConfigError(f"{name}: no image has a class; name a folder of class folders")
    numbers = tuple(str(number) for number in range(int(labels.max()) + 1))
    return LabelledImages(name, image_set, positions, tuple(image_set.classes) or numbers)


def open_labelled(
    location: str, split: str, read_options: Mapping[str, Any] | None = None
) -> LabelledImages:
    """Opens the images of a split that have a class; see `open_images`.

    Raises:
        ConfigError: If there are none.
    """
    return with_labels(f"{location} ({split})", open_images(location, split, read_options or {}))


def open_folder(folder: str) -> LabelledImages:
    """Opens a folder of class folders as one set, even if its name is that of a split.

    Raises:
        ConfigError: If the folder does not exist or no image in it has a class.
    """
    name = Path(folder).name
    split = name if name in SPLIT_NAMES else "val"
    return with_labels(folder, open_images(folder, split, {}))


class TextureImages:
    """The textures of a split of a finished build as an `ImageSet`.

    Raises:
        ConfigError: If there is no finished data set, or it has no such split.
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


@dataclass(frozen=True, eq=False)
class _TransformedImages(Dataset[Sample]):
    image_set: ImageSet
    transform: EvalTransform
    size: int

    def __getitem__(self, draw: EpochPosition) -> Sample:
        position = draw[1]
        try:
            image = self.transform(self.image_set.image(position), self.size, draw)
        except (TexgenError, MemoryError, OSError) as error:
            return as_sample_error(error)
        return {"image": image, "label": torch.tensor(int(self.image_set.labels[position]))}


def image_loader(
    run: TrainedRun,
    image_set: ImageSet,
    transform: EvalTransform,
    draws: Sampler[EpochPosition] | Sequence[EpochPosition],
    batch: int,
) -> DataLoader[Sample]:
    """A loader of transformed images in the order of ``draws``, with ``run.workers`` processes."""
    size = run.config.size
    spec = LoaderSpec(run.workers, batch, 3 * size**2, pin=run.device.type == "cuda")
    return make_loader(_TransformedImages(image_set, transform, size), spec, draws)


def image_batches(
    loader: Iterable[Sample], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, 3, size, size) and labels (B,) of a loader's batches, on ``device``.

    Raises:
        TexgenError: If an image cannot be read.
    """
    for batch in raise_sample_errors(loader):
        yield batch["image"].to(device, non_blocking=True), batch["label"].to(device)


@torch.no_grad()
def extract_features(
    run: TrainedRun, images: LabelledImages, transform: EvalTransform = centre_view
) -> tuple[Tensor, Tensor]:
    """The encoder's features of every image that has a class.

    Returns:
        (n, F) float32 and the labels (n,), on the CPU.

    Raises:
        ConfigError: If a feature is not finite.
        TexgenError: If an image cannot be read.
    """
    draws = [(0, int(position)) for position in images.positions]
    loader = image_loader(run, images.image_set, transform, draws, _BATCH)
    batches = [
        (run.encoder(pixels).float().cpu(), labels.cpu())
        for pixels, labels in image_batches(loader, run.device)
    ]
    features = torch.cat([part for part, _ in batches])
    if not torch.isfinite(features).all():
        raise ConfigError(
            f"{run.location}: the encoder's features are not finite, because the run diverged; "
            "evaluate an earlier checkpoint, or train again with a lower --lr"
        )
    return features, torch.cat([labels for _, labels in batches])
