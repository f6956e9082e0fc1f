"""Makers of non-semantic negatives (NS) for a query: its own patches, and textures."""

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
        """(M, 3, S, S) float32, normalised.

        Args:
            position: Of the photograph.
            view: What the query was made by.
            image: The query, (3, S, S) float32, normalised.
            rng: Of this sample.
        """
        ...


class PatchNegatives:
    """NS made of the query's own patches.

    Args:
        number: M.
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
        # A generator does not pickle, and is seeded before each use.
        made = self._make
        return {"number": self._number, "size": made.size_range, "whole": made.non_overlapping}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(  # type: ignore[misc]
            state["number"], state["size"], non_overlapping=state["whole"]
        )


class TextureNegatives:
    """NS that are textures of the same photograph, cropped and coloured as the query.

    Args:
        number: M; where a photograph has fewer textures, some are taken twice.
        photographs: Those that are trained on.
        store: Their textures.
        without: What stands in where there is none, None where that does not happen.
    """

    def __init__(
        self,
        number: int,
        photographs: ImageSet,
        store: TextureStore,
        without: Negatives | None = None,
    ) -> None:
        self._number = number
        self._keys = photographs.keys
        self._store = store
        self._without = without

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        """See `Negatives`."""
        found = self._store.positions(self._keys[position].as_py())
        if not found and self._without is not None:
            return self._without(position, view, image, rng)
        enough = len(found) >= self._number
        chosen = rng.sample(found, self._number) if enough else rng.choices(found, k=self._number)
        return torch.stack([view(self._store.image(one)) for one in chosen])


def open_textures(location: str, split: str) -> TextureStore:
    """The textures that ``--textures`` names.

    Raises:
        ConfigError: If they are not there.
    """
    try:
        return TextureStore(location, split)
    except DatasetError as error:
        message = f"--textures {location}: {error}"
        raise ConfigError(message) from error


def check_textures(
    photographs: ImageSet, store: TextureStore, missing: str
) -> tuple[NDArray[np.int64], int]:
    """The positions of the photographs to train on, and how many of all have no texture.

    Args:
        photographs: Those there are.
        store: Textures.
        missing: What to do about a photograph without a texture: ``error``, ``skip``, ``patch``.

    Returns:
        (n,) int64, all of them unless some are skipped; and the number without a texture.

    Raises:
        ConfigError: If no photograph has a texture, or one has none and that is an error.
    """
    there = store.textured(photographs.keys)
    if not there.any():
        message = (
            f"--textures {store.location}: none of {pluralize(len(there), 'photograph')} has a "
            "texture there; name the SRC that it was built from"
        )
        raise ConfigError(message)
    if missing == "error" and not there.all():
        first = photographs.keys[int(np.argmin(there))].as_py()
        message = (
            f"--textures {store.location}: {pluralize(int((~there).sum()), 'photograph')} without "
            f"a texture there, the first is {first}; --missing-texture skip or patch goes on"
        )
        raise ConfigError(message)
    positions = np.flatnonzero(there) if missing == "skip" else np.arange(len(there))
    return positions, int((~there).sum())
