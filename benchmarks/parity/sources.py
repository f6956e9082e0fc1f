"""Statistics of the sources of a texture's pixels: copied islands, examples, lone pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 3
"""Side in px of the neighbourhood of a lone pixel: 7x7 px."""
OUTLIER = 64
"""Largest difference that counts; the engines' costs level off in the same way."""

Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Image = NDArray[np.uint8]


def trace(sources: NDArray[np.uint16], texture: Image, patches: Image) -> dict[str, float]:
    """Returns all figures of the sources of one texture's pixels.

    Args:
        sources: Column, row and example of each pixel, (H, W, 3).
        texture: Pixels, (H, W, 3).
        patches: Examples, (2, d, d, 3).
    """
    wide = sources.astype(np.int64)
    shift = shifts(wide)
    across, down = shift[:, 1:] == shift[:, :-1], shift[1:] == shift[:-1]
    island = islands(across, down)
    size = np.bincount(island.ravel())
    of_pixel = size[island]
    column, row, example = np.moveaxis(wide, -1, 0)
    side = patches.shape[1]
    used = np.bincount(((example * side + row) * side + column).ravel()) > 0
    share = float(example.mean())
    return {
        "coherent pairs": float((across.sum() + down.sum()) / (across.size + down.size)),
        "mean island": island.size / int((size > 0).sum()),
        "mean island of a pixel": float(of_pixel.mean()),
        "lone pixels": float((of_pixel == 1).mean()),
        "mirrored fit of lone pixels": mirrored_fit(wide, texture, patches, of_pixel == 1),
        "source pixels used": float(used.sum()) / (2 * side * side),
        "share of example b": share,
        "share of the larger part": max(share, 1 - share),
    }


def shifts(sources: Integers) -> Integers:
    """Number of the shift from a pixel to its source, and of its example, (H, W)."""
    rows, columns = np.indices(sources.shape[:2])
    away = 1 << 16  # Keeps all parts above zero.
    column, row, example = np.moveaxis(sources, -1, 0)
    down, across = row - rows + away, column - columns + away
    return np.asarray((example << 40) + (down << 20) + across)


def islands(across: Bools, down: Bools) -> Integers:
    """Number of the connected part of each pixel, the least index of its pixels, (H, W).

    Args:
        across: Whether a pixel is joined with the next in its row, (H, W - 1).
        down: Whether a pixel is joined with the next in its column, (H - 1, W).
    """
    number = np.arange(len(across) * down.shape[1]).reshape(len(across), -1)
    one = np.concatenate([number[:, :-1][across], number[:-1][down]])
    other = np.concatenate([number[:, 1:][across], number[1:][down]])
    root = number.ravel().copy()
    while True:
        low = np.minimum(root[one], root[other])
        high = np.maximum(root[one], root[other])
        apart = low != high
        if not apart.any():
            return np.asarray(root.reshape(number.shape))
        np.minimum.at(root, high[apart], low[apart])
        while not np.array_equal(root[root], root):
            root = root[root]


def mirrored_fit(sources: Integers, texture: Image, patches: Image, lone: Bools) -> float:
    """Ratio of how neighbourhoods of lone pixels differ from their sources', turned over upright.

    Lone pixels are those that a random candidate won and no neighbour continued. `embark` compares
    random candidates with the neighbourhood turned about the pixel, so the turned one fits better,
    and the ratio is below 1. This figure detects an engine that compares them upright. It is 1 if
    there are no lone pixels.
    """
    side = patches.shape[1]
    inside = np.zeros_like(lone)
    inside[REACH:-REACH, REACH:-REACH] = True
    for axis in (0, 1):
        inside &= (sources[..., axis] >= REACH) & (sources[..., axis] < side - REACH)
    rows, columns = np.nonzero(lone & inside)
    column, row, example = sources[rows, columns].T
    wide, examples = texture.astype(np.int16), patches.astype(np.int16)
    upright = mirrored = 0.0
    for dy, dx in np.ndindex(2 * REACH + 1, 2 * REACH + 1):
        y, x = dy - REACH, dx - REACH
        seen = wide[rows + y, columns + x]
        upright += difference(seen, examples[example, row + y, column + x])
        mirrored += difference(seen, examples[example, row - y, column - x])
    return mirrored / upright if upright else 1.0


def difference(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    """Sum of the differences, each cut at ``OUTLIER``."""
    return float(np.minimum(np.abs(one - other), OUTLIER).sum())
