"""Non-semantic negatives (NS) of a query: made of its patches, or textures of its image."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.text import pluralize
from texgen.dataset.random_access import TextureStore
from texgen.train.augment import ViewParameters
from texgen.train.images import ImageSet
from texgen.train.patch_negative import PatchNegative
from texgen.train.texture_negative import TextureJob, TextureNegative


@dataclass(frozen=True, slots=True)
class Queries:
    """The views of an image that get NS.

    Attributes:
        position: Position of the image in its `ImageSet`.
        epoch: Number of the epoch, from 0.
        image: The image, RGB.
        views: Parameters of the V views.
        pixels: The V views themselves, (3, S, S) float32 each, normalised.
        rng: Random numbers of this sample.
    """

    position: int
    epoch: int
    image: Image.Image
    views: Sequence[ViewParameters]
    pixels: Sequence[Tensor]
    rng: random.Random


Negatives = Callable[[Queries], Tensor]
"""Makes the NS of the views of an image, (V, M, 3, S, S) float32, normalised."""


@dataclass(frozen=True, slots=True)
class PatchNegatives:
    """M NS made of patches of each query, where M is ``number``; see `PatchNegative`."""

    number: int
    size_range: tuple[int, int]
    non_overlapping: bool = False

    def __call__(self, queries: Queries) -> Tensor:
        """See `Negatives`."""
        return torch.stack([self._of_query(query, queries.rng) for query in queries.pixels])

    def _of_query(self, query: Tensor, rng: random.Random) -> Tensor:
        # Made for each query, because a generator cannot be pickled for the loader's processes.
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        make = PatchNegative(
            self.size_range, non_overlapping=self.non_overlapping, generator=generator
        )
        return torch.stack([make(query) for _ in range(self.number)])


@dataclass(frozen=True, slots=True)
class TextureNegatives:
    """NS that are stored textures of the image, with the crop and the colours of the query.

    Attributes:
        number: M, number of NS per query; an image with fewer textures gets some of them twice.
        images: Images to train on.
        store: Textures of the images.
        fallback: NS of an image without a texture; None if every image has a texture.
    """

    number: int
    images: ImageSet
    store: TextureStore
    fallback: Negatives | None = None

    def __call__(self, queries: Queries) -> Tensor:
        """See `Negatives`."""
        textures = self.store.positions(self.images.keys[queries.position].as_py())
        if not textures and self.fallback is not None:
            return self.fallback(queries)
        return torch.stack([self._of_view(view, textures, queries.rng) for view in queries.views])

    def _of_view(self, view: ViewParameters, textures: Sequence[int], rng: random.Random) -> Tensor:
        if len(textures) >= self.number:
            chosen = rng.sample(textures, self.number)
        else:
            chosen = rng.choices(textures, k=self.number)
        return torch.stack([view(self.store.image(texture)) for texture in chosen])


@dataclass(frozen=True, slots=True)
class FreshNegatives:
    """NS that are textures made of the image now, with the crop and the colours of the query.

    All views of an image share its M textures, as they do if a build stored M of them. The
    textures of an image stay the same for ``every`` epochs. Nothing is kept in between: they are
    synthesised again in each epoch.

    Attributes:
        number: M, number of NS per query, each a texture of its own.
        images: Images to train on.
        negative: Makes the textures.
        every: Number of epochs between two changes of an image's textures.
    """

    number: int
    images: ImageSet
    negative: TextureNegative
    every: int = 1

    def __call__(self, queries: Queries) -> Tensor:
        """See `Negatives`."""
        key, numbers = self._key(queries.position), self._numbers(queries.epoch)
        textures = [self.negative(queries.image, key, number) for number in numbers]
        return _seen(textures, queries.views)

    def jobs(self, position: int, epoch: int, image: Image.Image) -> list[TextureJob]:
        """Returns the jobs of an image's M textures, which do not need the image any more."""
        key = self._key(position)
        return [self.negative.job(image, key, number) for number in self._numbers(epoch)]

    def batch(
        self, jobs: Sequence[Sequence[TextureJob]], views: Sequence[Sequence[ViewParameters]]
    ) -> list[Tensor]:
        """Returns the NS of each of N images, see `Negatives`, with all textures made at once.

        Args:
            jobs: N times the M `jobs` of an image.
            views: N times the parameters of the V views of that image.
        """
        made = iter(self.negative.make([job for of_image in jobs for job in of_image]))
        return [
            _seen([Image.fromarray(next(made)) for _ in of_image], queries)
            for of_image, queries in zip(jobs, views, strict=True)
        ]

    def _key(self, position: int) -> str:
        return str(self.images.keys[position].as_py())

    def _numbers(self, epoch: int) -> range:
        first = epoch // self.every * self.number
        return range(first, first + self.number)


def _seen(textures: Sequence[Image.Image], views: Sequence[ViewParameters]) -> Tensor:
    """Returns each view of all textures, (V, M, 3, S, S) float32."""
    return torch.stack([torch.stack([view(texture) for texture in textures]) for view in views])


def open_textures(location: str, split: str) -> TextureStore:
    """Opens the textures of ``--textures``.

    Raises:
        ConfigError: If there is no finished data set with that split.
    """
    try:
        return TextureStore(location, split)
    except DatasetError as error:
        raise ConfigError(f"--textures {location}: {error}") from error


def check_textures(
    images: ImageSet, store: TextureStore, missing: str
) -> tuple[NDArray[np.int64], int]:
    """Returns the positions, (n,) int64, of the images to train on, and how many have no texture.

    ``missing`` is the action for the latter, ``error``, ``skip`` or ``patch``: with ``skip`` their
    positions are left out.

    Raises:
        ConfigError: If no image has a texture, or one has none and ``missing`` is ``error``.
    """
    textured = store.textured(images.keys)
    count = int((~textured).sum())
    if not textured.any():
        raise ConfigError(
            f"--textures {store.location}: none of {pluralize(len(textured), 'image')} has a "
            "texture there; set --src to the SRC of that build"
        )
    if missing == "error" and count:
        first = images.keys[int(np.argmin(textured))].as_py()
        raise ConfigError(
            f"--textures {store.location}: {pluralize(count, 'image')} without a texture there, "
            f"the first is {first}; build it, or set --missing-texture to skip or patch"
        )
    positions = np.flatnonzero(textured) if missing == "skip" else np.arange(len(textured))
    return positions, count
