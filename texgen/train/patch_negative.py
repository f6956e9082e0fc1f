"""Negatives made of patches of the image (Ge et al. 2021, section 2.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PatchNegative(nn.Module):
    """Tiles an image with square patches of itself, cut at random positions.

    The side d of the patches is drawn once per image. ceil(size / d)^2 patches are cut inside the
    image, tiled and cropped to the size of the image. The result keeps the colours of the image,
    and its textures up to d px. The authors cut patches from the augmented, normalised view.

    Args:
        size_range: Smallest and largest d, px, both included.
        non_overlapping: Whether each pixel is in one patch only. The patches are then the cells
            of a grid in random order, and d divides both sides, because otherwise too few patches
            fit (224 px and d = 48 need 25 patches, and 16 fit).
        generator: Generator of the random numbers; None uses torch's global one.

    Raises:
        ValueError: If the range is empty or begins below 1.
    """

    def __init__(
        self,
        size_range: Sequence[int] = (16, 72),
        *,
        non_overlapping: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        least, most = size_range
        if not 1 <= least <= most:
            raise ValueError(f"size_range {least}, {most}: expected 1 <= smallest <= largest, px")
        self.size_range = (int(least), int(most))
        self.non_overlapping = non_overlapping
        self.generator = generator

    def forward(self, image: Tensor) -> Tensor:
        """Maps an image (C, H, W) of any type to an image of its patches, of equal shape and type.

        Raises:
            ValueError: If the shape is not (C, H, W), or no side in the range divides H and W.
        """
        if image.ndim != 3:
            raise ValueError(f"expected an image of (C, H, W), got {tuple(image.shape)}")
        channels, height, width = image.shape
        side = self._side(height, width)
        rows, columns = math.ceil(height / side), math.ceil(width / side)
        tops, lefts = self._corners(rows * columns, side, height, width)
        windows = image.unfold(1, side, 1).unfold(2, side, 1)
        patches = windows[:, tops, lefts].reshape(channels, rows, columns, side, side)
        tiled = patches.permute(0, 1, 3, 2, 4).reshape(channels, rows * side, columns * side)
        return tiled[:, :height, :width].contiguous()

    def _side(self, height: int, width: int) -> int:
        least, most = self.size_range
        if not self.non_overlapping:
            drawn = torch.randint(least, most + 1, (), generator=self.generator)
            return min(int(drawn), height, width)
        divisors = [d for d in range(least, most + 1) if height % d == width % d == 0]
        if not divisors:
            raise ValueError(f"size_range {least}, {most}: no side divides {height} x {width} px")
        return divisors[int(torch.randint(len(divisors), (), generator=self.generator))]

    def _corners(self, count: int, side: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        if self.non_overlapping:
            cells = torch.randperm(count, generator=self.generator)
            return cells // (width // side) * side, cells % (width // side) * side
        tops = torch.randint(height - side + 1, (count,), generator=self.generator)
        lefts = torch.randint(width - side + 1, (count,), generator=self.generator)
        return tops, lefts
