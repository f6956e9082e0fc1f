"""Non-semantic negatives (NS) of a query: made of its patches, or textures of its image."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.text import pluralize
from texgen.dataset.random_access import TextureStore
from texgen.train.augment import ViewParameters
from texgen.train.images import ImageSet
from texgen.train.patch_negative import PatchNegative

Negatives = Callable[[int, ViewParameters, Tensor, random.Random], Tensor]
"""Makes the NS of a query, (M, 3, S, S) float32, normalised.

Its arguments are the position of the image in its `ImageSet`, the parameters of the query, the
query itself, (3, S, S) float32, normalised, and the random numbers of this sample.
"""


@dataclass(frozen=True, slots=True)
class PatchNegatives:
    """M NS made of patches of the query, where M is ``number``; see `PatchNegative`."""

    number: int
    size_range: tuple[int, int]
    non_overlapping: bool = False

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        """See `Negatives`."""
        # Made for each query, because a generator cannot be pickled for the loader's processes.
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        make = PatchNegative(
            self.size_range, non_overlapping=self.non_overlapping, generator=generator
        )
        return torch.stack([make(image) for _ in range(self.number)])


@dataclass(frozen=True, slots=True)
class TextureNegatives:
    """NS that are textures of the image, with the crop and the colours of the query.

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

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        """See `Negatives`."""
        textures = self.store.positions(self.images.keys[position].as_py())
        if not textures and self.fallback is not None:
            return self.fallback(position, view, image, rng)
        if len(textures) >= self.number:
            chosen = rng.sample(textures, self.number)
        else:
            chosen = rng.choices(textures, k=self.number)
        return torch.stack([view(self.store.image(texture)) for texture in chosen])


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
