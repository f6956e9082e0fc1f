"""Training samples: two views of an image, and its non-semantic negatives (NS).

All random numbers of a sample come from (seed, epoch, position). They are the same in any process
and in any order, so that a resumed run continues as it would have done without the interruption.
"""

from __future__ import annotations

import itertools
import random
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Sampler

from texgen.core.config import FORMATS
from texgen.core.errors import ConfigError, DatasetError, TexgenError
from texgen.core.keys import find_key, image_key_of
from texgen.core.text import pluralize
from texgen.dataset.random_access import open_texture
from texgen.dataset.streaming import webdataset
from texgen.train.augment import Augmentation, ViewParameters
from texgen.train.distributed import rank_and_world_size
from texgen.train.images import ImageSet
from texgen.train.loader_errors import as_sample_error
from texgen.train.negatives import FreshNegatives, Negatives, Queries

EpochPosition = tuple[int, int]
"""Epoch, and position of an image in its `ImageSet`."""

Sample = dict[str, Tensor] | TexgenError
"""Tensors by name, or an error: a loader process would raise it as the text of a traceback."""


def sample_rng(seed: int | str, epoch: int, sample: int | str) -> random.Random:
    """Returns the random numbers of a sample, by its position or key, in an epoch."""
    # Python hashes the whole text, so that the numbers of neighbours are unrelated.
    return random.Random(f"{seed}/{epoch}/{sample}")  # noqa: S311


@dataclass(frozen=True, eq=False)
class ContrastiveDataset(Dataset[Sample]):
    """Samples by `EpochPosition`.

    A sample has ``first`` and ``second``, (3, S, S) float32 each, and with negatives
    ``nonsemantic``, (V, M, 3, S, S) float32; all are normalised.

    Attributes:
        images: Images to train on.
        augmentation: Distribution of both views.
        negatives: Makes the NS of a view; None trains without NS.
        ns_views: V, number of views that get separate NS.
        seed: Seed of all random numbers.
    """

    images: ImageSet
    augmentation: Augmentation
    negatives: Negatives | None
    ns_views: int
    seed: int

    def __getitem__(self, epoch_position: EpochPosition) -> Sample:
        """Returns the sample of an image in an epoch, or the error that prevents it."""
        epoch, position = epoch_position
        try:
            rng = sample_rng(self.seed, epoch, position)
            return self.sample(position, epoch, rng, self.negatives)
        except (TexgenError, MemoryError, OSError) as error:
            return as_sample_error(error)

    def __getitems__(self, epoch_positions: list[EpochPosition]) -> list[Sample]:
        """Returns the samples of a batch, whose textures a GPU makes at once; torch calls this."""
        negatives = self.negatives
        if not (isinstance(negatives, FreshNegatives) and negatives.negative.on_gpu):
            return [self[one] for one in epoch_positions]
        samples, queries, jobs = [], [], []
        try:
            for epoch, position in epoch_positions:
                # A large batch of whole images would take gigabytes: patches and views are kept.
                image = self.images.image(position)
                sample, views = self._views(image, sample_rng(self.seed, epoch, position))
                jobs.append(negatives.jobs(position, epoch, image))
                samples.append(sample)
                queries.append(views[: self.ns_views])
            nonsemantic = negatives.batch(jobs, queries)
            return [
                {**sample, "nonsemantic": made}
                for sample, made in zip(samples, nonsemantic, strict=True)
            ]
        except (TexgenError, MemoryError, OSError) as error:
            return [as_sample_error(error)]

    def sample(
        self, position: int, epoch: int, rng: random.Random, negatives: Negatives | None
    ) -> dict[str, Tensor]:
        """Returns the sample of an image in an epoch with the random numbers of ``rng``."""
        image = self.images.image(position)
        sample, views = self._views(image, rng)
        if negatives is not None:
            count, pixels = self.ns_views, list(sample.values())
            queries = Queries(position, epoch, image, views[:count], pixels[:count], rng)
            sample["nonsemantic"] = negatives(queries)
        return sample

    def _views(
        self, image: Image.Image, rng: random.Random
    ) -> tuple[dict[str, Tensor], list[ViewParameters]]:
        """Returns both views of an image, and their parameters."""
        views = [self.augmentation.draw(rng) for _ in range(2)]
        return {"first": views[0](image), "second": views[1](image)}, views


class StreamedContrastiveDataset(IterableDataset[Sample]):
    """Samples in the order of a stream of textures, whose images are found by their keys.

    It suits remote shards, which are read from start to end. M is 1, images without a texture do
    not occur, and a resumed run continues in another order.

    Args:
        location: Location of the textures, see `texgen.webdataset`.
        split: Name of the split.
        dataset: Makes the samples of its images with its seed.
        begin: Number that differs each time a run is resumed.
    """

    def __init__(self, location: str, split: str, dataset: ContrastiveDataset, begin: int) -> None:
        self._stream = webdataset(location, split, seed=dataset.seed, decode=None, repeat=True)
        self._stream.set_epoch(begin)
        self._location = location
        self._dataset = dataset
        self._seed = f"{dataset.seed}/{begin}"

    def __iter__(self) -> Iterator[Sample]:
        try:
            yield from self._samples()
        except (tarfile.TarError, EOFError) as error:
            message = (
                f"{self._location}: a shard is damaged ({error}); run `texgen verify` to find it"
            )
            failed: TexgenError = DatasetError(message)
        except (TexgenError, MemoryError, OSError) as error:
            failed = as_sample_error(error)
        # Repeated, because a loader drops a last batch that is incomplete.
        yield from itertools.repeat(failed)

    def _samples(self) -> Iterator[Sample]:
        epochs: Counter[str] = Counter()
        for streamed in self._stream:
            key = streamed["__key__"]
            image_key = image_key_of(key)
            position = find_key(self._dataset.images.keys, image_key)
            if position is None:
                raise DatasetError(
                    f"no image has the key {image_key!r}; set --src to the SRC of the build"
                )
            # In a damaged shard a sample may have lost its image.
            data = next((streamed[suffix] for suffix in FORMATS if suffix in streamed), b"")
            texture = _always(open_texture(data, key, self._location))
            epochs[key] += 1
            rng = sample_rng(self._seed, epochs[key], key)
            yield self._dataset.sample(position, epochs[key], rng, texture)


def _always(texture: Image.Image) -> Negatives:
    """Returns `Negatives` that are this texture for any query."""
    return lambda queries: torch.stack([view(texture)[None] for view in queries.views])


class EpochSampler(Sampler[EpochPosition]):
    """This rank's part of the images of an epoch, in random order; all parts are equally large.

    Args:
        positions: Positions of the images to draw, (n,) int64.
        batch: Images in a step, of all ranks and accumulated parts; a partial batch is left out.
        seed: Seed of the orders.

    Raises:
        ConfigError: If there are fewer images than a batch.
    """

    def __init__(self, positions: NDArray[np.int64], batch: int, seed: int) -> None:
        self._positions = positions
        self._batch = batch
        self._seed = seed
        self._epoch = self._steps_done = 0
        if self.steps == 0:
            raise ConfigError(
                f"{pluralize(len(positions), 'image')} cannot fill a batch of {batch}; "
                "lower --batch-size, or set --src to more images"
            )

    @property
    def steps(self) -> int:
        """Number of complete batches in an epoch."""
        return len(self._positions) // self._batch

    def begin(self, epoch: int, steps: int = 0) -> None:
        """Selects the next epoch, of which ``steps`` are done already."""
        self._epoch, self._steps_done = epoch, steps

    def __len__(self) -> int:
        return (self.steps - self._steps_done) * self._batch // rank_and_world_size()[1]

    def __iter__(self) -> Iterator[EpochPosition]:
        rank, ranks = rank_and_world_size()
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._positions)
        of_rank = order[self._steps_done * self._batch : self.steps * self._batch][rank::ranks]
        return iter([(self._epoch, int(position)) for position in of_rank])
