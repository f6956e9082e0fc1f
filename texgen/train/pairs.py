"""Training samples: two views of a photograph, and its non-semantic negatives (NS).

All of a sample's random numbers come from (seed, epoch, position): the same whatever process
makes it, in whatever order, so that a run that is resumed goes on as it would have gone.
"""

from __future__ import annotations

import itertools
import random
import tarfile
from collections import Counter
from collections.abc import Iterator

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
from texgen.train.negatives import Negatives

EpochPosition = tuple[int, int]
"""Epoch, and position of a photograph."""


Sample = dict[str, Tensor] | TexgenError
"""An error is handed on as it is: a loader's worker would raise it as the text of a traceback."""


class ContrastiveDataset(Dataset[Sample]):
    """Samples by `EpochPosition`: ``first``, ``second``, ``nonsemantic`` (V, M, 3, S, S).

    Args:
        photographs: Those to train on.
        augmentation: Of both views.
        negatives: None for none.
        ns_views: V, the number of views with NS of their own.
        seed: Of all random numbers.
    """

    def __init__(
        self,
        photographs: ImageSet,
        augmentation: Augmentation,
        negatives: Negatives | None,
        ns_views: int,
        seed: int,
    ) -> None:
        self._photographs = photographs
        self._augmentation = augmentation
        self._negatives = negatives
        self._ns_views = ns_views
        self._seed = seed

    def __getitem__(self, draw: EpochPosition) -> Sample:
        """The sample of an epoch and a photograph."""
        epoch, position = draw
        # A text is hashed whole, so that neighbours' numbers have nothing in common.
        rng = random.Random(f"{self._seed}/{epoch}/{position}")  # noqa: S311
        try:
            return self.sample(position, rng, self._negatives)
        except (TexgenError, MemoryError, OSError) as error:
            return as_sample_error(error)

    def sample(
        self, position: int, rng: random.Random, negatives: Negatives | None
    ) -> dict[str, Tensor]:
        """The sample of a photograph that ``rng`` gives."""
        photograph = self._photographs.image(position)
        views = [self._augmentation.draw(rng) for _ in range(2)]
        images = [view(photograph) for view in views]
        sample = {"first": images[0], "second": images[1]}
        if negatives is not None:
            queries = list(zip(views, images, strict=True))[: self._ns_views]
            sample["nonsemantic"] = torch.stack(
                [negatives(position, view, image, rng) for view, image in queries]
            )
        return sample


class StreamedPairs(IterableDataset[Sample]):
    """Samples in the order of a stream of textures; each finds its photograph by its key.

    For shards that are far away, which are read from begin to end. M is 1; photographs without
    a texture do not occur; a run that is resumed takes another order from there on.

    Args:
        location: Of the textures, see `texgen.webdataset`.
        split: Name of the split.
        photographs: Those to train on.
        pairs: Makes the samples.
        seed: Of all random numbers.
        begin: Another number for each time that a run is resumed.
    """

    def __init__(
        self,
        location: str,
        split: str,
        photographs: ImageSet,
        pairs: ContrastiveDataset,
        seed: int,
        begin: int = 0,
    ) -> None:
        self._stream = webdataset(location, split, seed=seed, decode=None, repeat=True)
        self._stream.set_epoch(begin)
        self._location = location
        self._keys = photographs.keys
        self._pairs = pairs
        self._seed = f"{seed}/{begin}"

    def __iter__(self) -> Iterator[Sample]:
        try:
            yield from self._samples()
        except (tarfile.TarError, EOFError) as error:
            message = f"{self._location}: a shard is damaged ({error}); `texgen verify` names it"
            failed: TexgenError = DatasetError(message)
        except (TexgenError, MemoryError, OSError) as error:
            failed = as_sample_error(error)
        # As often as it takes: a loader drops a last batch that is not full.
        yield from itertools.repeat(failed)

    def _samples(self) -> Iterator[Sample]:
        seen: Counter[str] = Counter()
        for found in self._stream:
            key = found["__key__"]
            image_key = image_key_of(key)
            position = find_key(self._keys, image_key)
            if position is None:
                message = f"no photograph has the key {image_key!r}; name the SRC of the build"
                raise DatasetError(message)
            # A sample that lost its image in a damaged shard has none of these.
            data = next((found[suffix] for suffix in FORMATS if suffix in found), b"")
            texture = _OneTexture(open_texture(data, key, self._location))
            seen[key] += 1
            rng = random.Random(f"{self._seed}/{seen[key]}/{key}")  # noqa: S311
            yield self._pairs.sample(position, rng, texture)


class _OneTexture:
    """`Negatives` of one texture."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        return view(self._image)[None]


class EpochSampler(Sampler[EpochPosition]):
    """This rank's photographs of an epoch in a random order, each rank as many.

    Args:
        positions: (n,) int64, photographs to take.
        batch: Of all ranks and accumulated parts, by which n is cut off.
        seed: Of the orders.
    """

    def __init__(self, positions: NDArray[np.int64], batch: int, seed: int) -> None:
        self._positions = positions
        self._batch = batch
        self._seed = seed
        self._epoch = self._steps = 0
        if self.steps == 0:
            message = (
                f"{pluralize(len(positions), 'photograph')} cannot fill a batch of {batch}; "
                "lower --batch-size, or name a larger --src"
            )
            raise ConfigError(message)

    @property
    def steps(self) -> int:
        """Whole batches in an epoch."""
        return len(self._positions) // self._batch

    def begin(self, epoch: int, steps: int = 0) -> None:
        """Says which epoch comes next, and how many of its steps are done already."""
        self._epoch, self._steps = epoch, steps

    def __len__(self) -> int:
        return (self.steps - self._steps) * self._batch // rank_and_world_size()[1]

    def __iter__(self) -> Iterator[EpochPosition]:
        rank, ranks = rank_and_world_size()
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._positions)
        mine = order[self._steps * self._batch : self.steps * self._batch][rank::ranks]
        return iter([(self._epoch, int(position)) for position in mine])
