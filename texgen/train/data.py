"""The data of a run: images, their negatives, and the loader of both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.train.augment import Augmentation
from texgen.train.config import TrainConfig
from texgen.train.distributed import rank_and_world_size
from texgen.train.images import ImageSet, open_images
from texgen.train.loader import LoaderSpec, make_loader, raise_sample_errors
from texgen.train.negatives import (
    FreshNegatives,
    Negatives,
    PatchNegatives,
    TextureNegatives,
    check_textures,
    open_textures,
)
from texgen.train.pairs import ContrastiveDataset, EpochSampler, Sample, StreamedContrastiveDataset
from texgen.train.texture_negative import TextureNegative


class TrainingData:
    """Images, their negatives for ``ns_views`` views of each, and the loader of both.

    Attributes:
        steps_per_epoch: Number of complete batches in an epoch.
        without_texture: Number of images without a texture; 0 if the run uses no textures.
        device_note: What makes fresh textures, in words; "" if there is nothing to say.
        keys_sha256: SHA-256 of the keys of the images that are trained on, hex.

    Raises:
        ConfigError: If images or textures are missing, do not belong together, or do not fill a
            batch; or if the machine has no room for the loader processes, or starts no engine.
    """

    def __init__(self, config: TrainConfig, ns_views: int) -> None:
        self._config = config
        images = open_images(config.src, config.split, config.how_read)
        negatives, positions, self.without_texture = _make_negatives(config, images)
        self.device_note = ""
        if isinstance(negatives, FreshNegatives):
            self.device_note = negatives.negative.device_note()
        self.keys_sha256 = _sha256(images.keys.take(pa.array(positions)))
        batch = _images_per_rank(config)
        self._sampler = EpochSampler(positions, config.batch_size, config.seed)
        self.steps_per_epoch = self._sampler.steps
        augmentation = augmentation_of(config)
        self._dataset = ContrastiveDataset(images, augmentation, negatives, ns_views, config.seed)
        views = 2 + (ns_views * config.num_negatives if negatives is not None else 0)
        self._spec = LoaderSpec(
            config.workers,
            batch,
            views * 3 * config.size**2,
            # The batches of the current step, and of the next one as they arrive.
            held=2 * config.accumulate,
            pin=torch.cuda.is_available(),
        )
        # Raises its error now, instead of at the first batch.
        self._spec.ahead()
        self._loader: DataLoader[Sample] | None = None

    def epoch(self, epoch: int, steps: int) -> Iterator[dict[str, Tensor]]:
        """Yields the batches of an epoch, of which ``steps`` are done already."""
        self._sampler.begin(epoch, steps)
        if self._loader is None:
            self._loader = self._make_loader(epoch * self.steps_per_epoch + steps)
        yield from raise_sample_errors(self._loader)

    def _make_loader(self, steps_done: int) -> DataLoader[Sample]:
        config = self._config
        if not config.stream:
            return make_loader(self._dataset, self._spec, self._sampler, again=True)
        split = config.textures_split or config.split
        data = StreamedContrastiveDataset(str(config.textures), split, self._dataset, steps_done)
        return make_loader(data, self._spec, again=True)


def _make_negatives(
    config: TrainConfig, images: ImageSet
) -> tuple[Negatives | None, NDArray[np.int64], int]:
    """Returns the NS, the positions of the images to train on, and how many have no texture."""
    everything = np.arange(len(images.keys))
    if config.negatives == "none":
        return None, everything, 0
    patches = PatchNegatives(config.num_negatives, config.patch_range, config.non_overlapping)
    if config.negatives == "patch":
        return patches, everything, 0
    if config.fresh:
        return _make_fresh_negatives(config, images), everything, 0
    store = open_textures(str(config.textures), config.textures_split or config.split)
    fallback = patches if config.missing_texture == "patch" else None
    negatives = TextureNegatives(config.num_negatives, images, store, fallback)
    return negatives, *check_textures(images, store, config.missing_texture)


def _make_fresh_negatives(config: TrainConfig, images: ImageSet) -> FreshNegatives:
    """Returns NS that are made in the loader's processes.

    Raises:
        EngineStartError: If no engine starts here.
    """
    size = config.texture_size or config.size
    negative = TextureNegative(
        size, config.patch_size, seed=config.seed, device=config.texture_device
    )
    # Raises its error now, instead of at the first batch.
    negative.check_engine()
    return FreshNegatives(config.num_negatives, images, negative, config.fresh_every)


def _images_per_rank(config: TrainConfig) -> int:
    """Returns the number of images in one part of a batch on one rank.

    Raises:
        ConfigError: If the batch cannot be divided so, or parts have fewer than 2 images.
    """
    _, ranks = rank_and_world_size()
    parts = ranks * config.accumulate
    if config.batch_size % parts:
        raise ConfigError(
            f"--batch-size {config.batch_size} is not a multiple of {pluralize(ranks, 'rank')} x "
            f"{pluralize(config.accumulate, 'accumulated part')}"
        )
    if config.batch_size // parts < 2:
        raise ConfigError(
            f"--batch-size {config.batch_size} leaves 1 image for each of "
            f"{pluralize(ranks, 'rank')}, and batch statistics need 2; use {2 * parts} or more"
        )
    return config.batch_size // parts


def _sha256(keys: ArrowTable) -> str:
    digest = hashlib.sha256()
    for key in keys:
        digest.update(f"{key.as_py()}\n".encode())
    return digest.hexdigest()


def augmentation_of(config: TrainConfig) -> Augmentation:
    """Returns the distribution of the views of a run."""
    augmentation = Augmentation(config.size, config.crop_scale)
    return augmentation if config.colour_jitter else replace(augmentation, jitter=None)
