"""What a run reads: photographs, their negatives, and the loader of both."""

from __future__ import annotations

import hashlib
import random
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from texgen import signals
from texgen.errors import ConfigError, TexgenError
from texgen.train.augment import Augmentation
from texgen.train.config import TrainConfig
from texgen.train.distributed import world
from texgen.train.negatives import (
    Negatives,
    PatchNegatives,
    TextureNegatives,
    check_textures,
    open_textures,
)
from texgen.train.pairs import Draws, Pairs, Sample, StreamedPairs
from texgen.train.photographs import open_photographs
from texgen.types import ArrowTable
from texgen.words import count_of


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
        photographs = open_photographs(config.src, config.split, config.how_read)
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
        _, ranks = world()
        if config.batch_size % (ranks * config.accumulate):
            message = (
                f"--batch-size {config.batch_size} is not a multiple of "
                f"{count_of(ranks, 'rank')} x {count_of(config.accumulate, 'accumulated part')}"
            )
            raise ConfigError(message)
        self._part = config.batch_size // (ranks * config.accumulate)
        if self._part < 2:
            message = (
                f"--batch-size {config.batch_size}: leaves 1 image for each of "
                f"{count_of(ranks, 'rank')}, and batch statistics need 2; take "
                f"{2 * ranks * config.accumulate} or more"
            )
            raise ConfigError(message)
        self.draws = Draws(positions, config.batch_size, config.seed)
        augmentation = augmentation_of(config)
        self._pairs = Pairs(photographs, augmentation, negatives, ns_views, config.seed)
        self._loader: DataLoader[Sample] | None = None

    def epoch(self, epoch: int, steps: int) -> Iterator[dict[str, Tensor]]:
        """The batches of an epoch after so many of its steps."""
        self.draws.begin(epoch, steps)
        if self._loader is None:
            self._loader = self._make_loader(epoch * self.draws.steps + steps)
        yield from whole(self._loader)

    def _make_loader(self, begin: int) -> DataLoader[Sample]:
        config = self._config
        data: Any = self._pairs
        if config.stream:
            split = config.textures_split or config.split
            data = StreamedPairs(
                str(config.textures), split, self._photographs, self._pairs, config.seed, begin
            )
        return DataLoader(
            data,
            self._part,
            sampler=None if config.stream else self.draws,
            num_workers=config.workers,
            collate_fn=collate,
            # Its own, so that starting an epoch again leaves the run's random numbers alone.
            generator=torch.Generator(),
            worker_init_fn=SeededWorker(config.seed, world()[0]),
            persistent_workers=config.workers > 0,
            pin_memory=torch.cuda.is_available(),
            drop_last=True,
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


def whole(loader: Iterable[Sample]) -> Iterator[dict[str, Tensor]]:
    """The batches of a loader.

    Raises:
        TexgenError: The first that stands in the place of a sample.
    """
    for batch in loader:
        if isinstance(batch, TexgenError):
            raise batch
        yield batch


def collate(samples: list[Sample]) -> Sample:
    """A batch, or the first error among its samples."""
    whole = [sample for sample in samples if not isinstance(sample, TexgenError)]
    if len(whole) < len(samples):
        return next(sample for sample in samples if isinstance(sample, TexgenError))
    batch: dict[str, Tensor] = default_collate(whole)
    return batch


_LATER_S = 120


def _end_later(number: int, frame: object) -> None:
    """Where a whole group is told to stop, its parent still makes the step that it is at.

    It also sends SIGTERM at its own end, and then waits.
    """
    signal.alarm(_LATER_S)


class SeededWorker:
    """Seeds a loader's worker by (seed, rank, worker), for transforms that draw for themselves."""

    def __init__(self, seed: int, rank: int) -> None:
        self._seed, self._rank = seed, rank

    def __call__(self, worker: int) -> None:
        """Called in the worker, with its number."""
        for number in signals.SIGNALS:
            signal.signal(number, _end_later)
        torch.set_num_threads(1)
        text = f"{self._seed}/{self._rank}/{worker}"
        random.seed(text)
        torch.manual_seed(random.getrandbits(63))
        np.random.seed(random.getrandbits(32))  # noqa: NPY002 - what such transforms use
