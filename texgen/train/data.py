"""What a run reads: photographs, their negatives, and the loader of both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.train.augment import Augmentation
from texgen.train.config import TrainConfig
from texgen.train.distributed import rank_and_world_size
from texgen.train.images import open_images
from texgen.train.loader import LoaderSpec, make_loader, raise_sample_errors
from texgen.train.negatives import (
    Negatives,
    PatchNegatives,
    TextureNegatives,
    check_textures,
    open_textures,
)
from texgen.train.pairs import ContrastiveDataset, EpochSampler, Sample, StreamedPairs


class Data:
    """Photographs, their negatives, and the loader of both.

    Args:
        config: Of the run.
        ns_views: Views of a photograph that get NS.

    Attributes:
        draws: The order of photographs.
        without_texture: Photographs that have none.
        photographs_sha256: Of the keys of those that are trained on, hex.

    Raises:
        ConfigError: If photographs or textures are not there, do not belong together, or do not
            fit the batch.
    """

    def __init__(self, config: TrainConfig, ns_views: int) -> None:
        self._config = config
        photographs = open_images(config.src, config.split, config.how_read)
        positions = np.arange(len(photographs.keys))
        self.without_texture = 0
        negatives: Negatives | None = None
        if config.negatives != "none":
            negatives = PatchNegatives(
                config.num_negatives, config.patch_range, non_overlapping=config.non_overlapping
            )
        if config.negatives == "texture":
            store = open_textures(str(config.textures), config.textures_split or config.split)
            patches = negatives if config.missing_texture == "patch" else None
            negatives = TextureNegatives(config.num_negatives, photographs, store, patches)
            positions, self.without_texture = check_textures(
                photographs, store, config.missing_texture
            )
        self._photographs = photographs
        self.photographs_sha256 = _sha256(photographs.keys.take(pa.array(positions)))
        _, ranks = rank_and_world_size()
        if config.batch_size % (ranks * config.accumulate):
            message = (
                f"--batch-size {config.batch_size} is not a multiple of "
                f"{pluralize(ranks, 'rank')} x {pluralize(config.accumulate, 'accumulated part')}"
            )
            raise ConfigError(message)
        if config.batch_size // (ranks * config.accumulate) < 2:
            message = (
                f"--batch-size {config.batch_size}: leaves 1 image for each of "
                f"{pluralize(ranks, 'rank')}, and batch statistics need 2; take "
                f"{2 * ranks * config.accumulate} or more"
            )
            raise ConfigError(message)
        self.draws = EpochSampler(positions, config.batch_size, config.seed)
        augmentation = augmentation_of(config)
        self._pairs = ContrastiveDataset(
            photographs, augmentation, negatives, ns_views, config.seed
        )
        self._spec = _loader_spec(config, ns_views)
        # Before the run has begun, and not at its first batch.
        self._spec.ahead()
        self._loader: DataLoader[Sample] | None = None

    def epoch(self, epoch: int, steps: int) -> Iterator[dict[str, Tensor]]:
        """The batches of an epoch after so many of its steps."""
        self.draws.begin(epoch, steps)
        if self._loader is None:
            self._loader = self._make_loader(epoch * self.draws.steps + steps)
        yield from raise_sample_errors(self._loader)

    def _make_loader(self, begin: int) -> DataLoader[Sample]:
        config = self._config
        data: Any = self._pairs
        if config.stream:
            split = config.textures_split or config.split
            data = StreamedPairs(
                str(config.textures), split, self._photographs, self._pairs, config.seed, begin
            )
        order = None if config.stream else self.draws
        return make_loader(data, self._spec, order, again=True)


def _loader_spec(config: TrainConfig, ns_views: int) -> LoaderSpec:
    views = 2 + (ns_views * config.num_negatives if config.negatives != "none" else 0)
    rank, ranks = rank_and_world_size()
    return LoaderSpec(
        config.workers,
        config.batch_size // (ranks * config.accumulate),
        views * 3 * config.size**2,
        # Those of a step that is made, and of the next one as they come.
        held=2 * config.accumulate,
        seed=config.seed,
        rank=rank,
        pin=torch.cuda.is_available(),
    )


def _sha256(keys: ArrowTable) -> str:
    digest = hashlib.sha256()
    for key in keys:
        digest.update(f"{key.as_py()}\n".encode())
    return digest.hexdigest()


def augmentation_of(config: TrainConfig) -> Augmentation:
    """What the views of a run are made by."""
    augmentation = Augmentation(config.size, config.crop_scale)
    return augmentation if config.colour_jitter else replace(augmentation, jitter=None)
