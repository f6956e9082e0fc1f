"""Computes the figures of textures, a pair at a time on every processor."""

from __future__ import annotations

import multiprocessing
import os
from functools import partial

import numpy as np
from compare import Measured
from looks import Examples, describe
from pairs import Pair
from sources import trace
from textures import Shelf


def measure(shelf: Shelf, pairs: list[Pair], textures: int) -> list[Measured]:
    """Figures of the first ``textures`` of each pair."""
    # One thread a process: matrix products would start more than there are processors.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0))) as pool:
        return pool.map(partial(measure_pair, shelf, textures), pairs, chunksize=1)


def measure_pair(shelf: Shelf, textures: int, pair: Pair) -> Measured:
    """Figures of one pair's textures."""
    examples = Examples(pair.patches)
    vectors, figures = [], []
    for number in range(textures):
        texture = shelf.load(pair, number)
        vectors.append(describe(texture.image))
        traced = trace(texture.sources, texture.image, pair.patches)
        figures.append(examples.likeness(texture.image) | traced)
    return Measured(
        {name: np.array([each[name] for each in vectors]) for name in vectors[0]},
        {name: np.array([each[name] for each in figures]) for name in figures[0]},
    )
