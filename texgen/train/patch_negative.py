"""Negatives made of an image's own patches (Ge et al. 2021, section 2.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PatchNegative(nn.Module):
    """Tiles an image with square patches of itself, cut at random places.

    The side d of all patches is drawn once an image, ceil(size / d)^2 of them are cut fully inside
    it, tiled and cropped to the image's size. What is left has the image's colours and textures
    up to d px and nothing larger. The authors cut from the augmented, normalised view.

    Args:
        size_range: Least and greatest d, px, both included.
        non_overlapping: Whether no pixel may be in two patches. They then are the cells of a grid
            in a random order, and d is one of those that divide the sides: with any other
            there is no room for enough (224 px and d = 48 need 25, and 16 fit).
        generator: Of the random numbers; torch's own by default.

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
            message = f"size_range {least}, {most}: expected 1 <= least <= greatest, px"
            raise ValueError(message)
        self.size_range = (int(least), int(most))
        self.non_overlapping = non_overlapping
        self.generator = generator

    def forward(self, image: Tensor) -> Tensor:
        """(C, H, W) of any type to the same, as an image of patches.

        Raises:
            ValueError: If it is no such image, or nothing in the range divides its sides.
        """
        if image.ndim != 3:
            message = f"expected an image of (C, H, W), got {tuple(image.shape)}"
            raise ValueError(message)
        channels, height, width = image.shape
        side = self._side(height, width)
        rows, columns = math.ceil(height / side), math.ceil(width / side)
        tops, lefts = self._places(rows * columns, side, height, width)
        windows = image.unfold(1, side, 1).unfold(2, side, 1)
        patches = windows[:, tops, lefts].reshape(channels, rows, columns, side, side)
        tiled = patches.permute(0, 1, 3, 2, 4).reshape(channels, rows * side, columns * side)
        return tiled[:, :height, :width].contiguous()

    def _side(self, height: int, width: int) -> int:
        least, most = self.size_range
        if not self.non_overlapping:
            drawn = torch.randint(least, most + 1, (), generator=self.generator)
            return min(int(drawn), height, width)
        whole = [d for d in range(least, most + 1) if height % d == width % d == 0]
        if not whole:
            message = f"size_range {least}, {most}: no side divides {height} x {width} px"
            raise ValueError(message)
        return whole[int(torch.randint(len(whole), (), generator=self.generator))]

    def _places(self, count: int, side: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        if self.non_overlapping:
            cells = torch.randperm(count, generator=self.generator)
            return cells // (width // side) * side, cells % (width // side) * side
        tops = torch.randint(height - side + 1, (count,), generator=self.generator)
        lefts = torch.randint(width - side + 1, (count,), generator=self.generator)
        return tops, lefts
