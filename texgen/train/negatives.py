"""Non-semantic negatives (NS) of a query: made of its patches, or textures of its image."""

from __future__ import annotations

import random
from typing import Any, Protocol

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


class Negatives(Protocol):
    """Makes the NS of one view."""

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        """Returns the NS of a query, (M, 3, S, S) float32, normalised.

        Args:
            position: Position of the image in its `ImageSet`.
            view: Parameters of the query.
            image: The query, (3, S, S) float32, normalised.
            rng: Random numbers of this sample.
        """
        ...


class PatchNegatives:
    """NS made of patches of the query.

    Args:
        number: M, number of NS per query.
        size_range: See `PatchNegative`.
        non_overlapping: See `PatchNegative`.
    """

    def __init__(
        self, number: int, size_range: tuple[int, int], *, non_overlapping: bool = False
    ) -> None:
        self._number = number
        self._generator = torch.Generator()
        self._make = PatchNegative(
            size_range, non_overlapping=non_overlapping, generator=self._generator
        )

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        """See `Negatives`."""
        self._generator.manual_seed(rng.getrandbits(63))
        return torch.stack([self._make(image) for _ in range(self._number)])

    def __getstate__(self) -> dict[str, Any]:
        # A generator cannot be pickled, and is seeded before each use.
        make = self._make
        return {"number": self._number, "size": make.size_range, "grid": make.non_overlapping}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["number"], state["size"], non_overlapping=state["grid"]
        )


class TextureNegatives:
    """NS that are textures of the image, with the crop and the colours of the query.

    Args:
        number: M, number of NS per query; an image with fewer textures gets some of them twice.
        images: Images to train on.
        store: Textures of the images.
        fallback: NS of an image without a texture; None if every image has a texture.
    """

    def __init__(
        self,
        number: int,
        images: ImageSet,
        store: TextureStore,
        fallback: Negatives | None = None,
    ) -> None:
        self._number = number
        self._keys = images.keys
        self._store = store
        self._fallback = fallback

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        """See `Negatives`."""
        textures = self._store.positions(self._keys[position].as_py())
        if not textures and self._fallback is not None:
            return self._fallback(position, view, image, rng)
        if len(textures) >= self._number:
            chosen = rng.sample(textures, self._number)
        else:
            chosen = rng.choices(textures, k=self._number)
        return torch.stack([view(self._store.image(texture)) for texture in chosen])


def open_textures(location: str, split: str) -> TextureStore:
    """Opens the textures of ``--textures``.

    Raises:
        ConfigError: If there is no finished data set with that split.
    """
    try:
        return TextureStore(location, split)
    except DatasetError as error:
        message = f"--textures {location}: {error}"
        raise ConfigError(message) from error


def check_textures(
    images: ImageSet, store: TextureStore, missing: str
) -> tuple[NDArray[np.int64], int]:
    """Returns the positions of the images to train on, and the number of images without a texture.

    Args:
        images: All images of the split.
        store: Textures of the images.
        missing: Action for an image without a texture: ``error``, ``skip`` or ``patch``.

    Returns:
        Positions, (n,) int64, of all images or, with ``skip``, of those with a texture; and the
        number of images without a texture.

    Raises:
        ConfigError: If no image has a texture, or one has none and ``missing`` is ``error``.
    """
    textured = store.textured(images.keys)
    count = int((~textured).sum())
    if not textured.any():
        message = (
            f"--textures {store.location}: none of {pluralize(len(textured), 'image')} has a "
            "texture there; set --src to the SRC of that build"
        )
        raise ConfigError(message)
    if missing == "error" and count:
        first = images.keys[int(np.argmin(textured))].as_py()
        message = (
            f"--textures {store.location}: {pluralize(count, 'image')} without a texture there, "
            f"the first is {first}; build it, or set --missing-texture to skip or patch"
        )
        raise ConfigError(message)
    positions = np.flatnonzero(textured) if missing == "skip" else np.arange(len(textured))
    return positions, count
