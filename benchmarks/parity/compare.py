"""Compares the textures of `fast` and of `embark`, figure by figure.

A figure with one number a texture is averaged over the textures of a pair. The comparison judges
the ratio of the means over pairs, and the difference of the pairs' means in standard errors over
pairs.

A figure that is a distribution is compared by distances, which are never zero: two seeds give two
textures. Therefore the distance between a texture of `fast` and one of `embark`, averaged over all
such of a pair, is compared with the distance between two textures of one engine, averaged over
both engines. (Their difference is the energy distance, Székely and Rizzo 2013, which is zero only
if the distributions are the same. Against `embark` alone, the spread of its own few textures would
be most of the difference.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from looks import Vector, distance

BOUNDS = (0.9, 1.15)
LIMIT = 3.0
"""Bound for a difference, in standard errors."""


class Measured(NamedTuple):
    """Figures of all textures of one engine from one pair."""

    vectors: dict[str, Vector]
    """Figures that are vectors, (textures, length) each."""
    figures: dict[str, Vector]
    """Figures that are numbers, (textures,) each."""

    def part(self, chosen: slice) -> Measured:
        """Returns the figures of some of the textures."""
        return Measured(
            {name: values[chosen] for name, values in self.vectors.items()},
            {name: values[chosen] for name, values in self.figures.items()},
        )


class Row(NamedTuple):
    """Comparison of one figure. Means are over pairs."""

    figure: str
    embark: float
    """Mean of `embark`; for a distribution, the mean distance between two of its textures."""
    fast: float
    """Mean of `fast`, likewise."""
    across: float | None
    """Mean distance from a texture of one engine to one of the other, for a distribution."""
    ratio: float
    """Ratio of `fast` to `embark`; for a distribution, ``across`` over the mean of both."""
    error: float
    """Standard error of ``ratio``."""
    offset: float
    """Difference between the engines, in standard errors."""

    @property
    def verdict(self) -> str:
        """``same``; ``explain`` for a small difference that is not chance; or ``differs``."""
        if not BOUNDS[0] <= self.ratio <= BOUNDS[1]:
            return "differs"
        return "same" if abs(self.offset) <= LIMIT else "explain"


def compare(embark: list[Measured], fast: list[Measured]) -> list[Row]:
    """Returns a row for each figure; both lists have the same pairs in the same order."""
    pairs = list(zip(embark, fast, strict=True))
    rows = [
        distribution(name, [(e.vectors[name], f.vectors[name]) for e, f in pairs])
        for name in embark[0].vectors
    ]
    return rows + [
        plain(name, [(e.figures[name], f.figures[name]) for e, f in pairs])
        for name in embark[0].figures
    ]


def halves(measured: list[Measured]) -> list[Row]:
    """Compares an engine with itself, which shows the effect of chance alone."""
    return compare(
        [m.part(slice(0, None, 2)) for m in measured], [m.part(slice(1, None, 2)) for m in measured]
    )


def plain(name: str, pairs: list[tuple[Vector, Vector]]) -> Row:
    """Compares a figure with one number a texture."""
    embark = np.array([e.mean() for e, _ in pairs])
    fast = np.array([f.mean() for _, f in pairs])
    return Row(name, float(embark.mean()), float(fast.mean()), None, *judge(embark, fast))


def distribution(name: str, pairs: list[tuple[Vector, Vector]]) -> Row:
    """Compares a figure with a vector a texture."""
    embark = np.array([within(e) for e, _ in pairs])
    fast = np.array([within(f) for _, f in pairs])
    across = np.array([distance(e[:, None], f[None]).mean() for e, f in pairs])
    judged = judge((embark + fast) / 2, across)
    return Row(name, float(embark.mean()), float(fast.mean()), float(across.mean()), *judged)


def within(vectors: Vector) -> float:
    """Mean distance between two different textures."""
    count = len(vectors)
    return float(distance(vectors[:, None], vectors[None]).sum() / (count * (count - 1)))


def judge(one: Vector, other: Vector) -> tuple[float, float, float]:
    """Returns the ratio of the means, its standard error, and the difference in standard errors.

    Args:
        one: A number for each pair.
        other: A number for each of the same pairs.
    """
    ratio = other.mean() / one.mean()
    # Of a ratio of means over the same pairs (the delta method).
    error = standard_error(other - ratio * one) / one.mean()
    gap, noise = (other - one).mean(), standard_error(other - one)
    offset = gap / noise if noise else math.copysign(math.inf, gap) if gap else 0.0
    return float(ratio), float(error), float(offset)


def standard_error(values: Vector) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / math.sqrt(len(values)))
