"""Two views of an image, and its texture under the same crops and colours."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from texgen.train.augment import Augmentation

TwoViews = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class PairedViews:
    """Draws two views by MoCo-v2's augmentation, each for an image and its texture alike.

    It is a ``pair_transform`` of `texgen.TexturePairs`. Random numbers come from Python's `random`,
    which torch seeds in each process of a `DataLoader`.

    Args:
        size: Side of a view, px.
    """

    size: int = 224

    def __call__(self, image: Image.Image, texture: Image.Image) -> tuple[TwoViews, TwoViews]:
        """Returns both views of the image, and both of the texture.

        Each is (3, size, size) float32, normalised by ImageNet's mean and deviation.
        """
        rng = random.Random(random.getrandbits(64))  # noqa: S311
        augmentation = Augmentation(self.size)
        first, second = augmentation.draw(rng), augmentation.draw(rng)
        return (first(image), second(image)), (first(texture), second(texture))
