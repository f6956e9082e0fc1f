"""Chi-square test whether random patches lie anywhere with the same probability, with a map."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", np.int64, np.float64)

FINEST = 16
"""Cells per side of the finest map; coarser maps are sums of its cells."""

_LEAST_EXPECTED = 5.0
"""Least expected count of a cell; below it, the statistic does not follow its distribution."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Counts of positions in cells over the allowed range.

    Attributes:
        observed: (k, k) counts, rows from top to bottom, columns from left to right.
        expected: (k, k) counts expected if positions are uniform.
        chi_square: Pearson's statistic.
        freedom: Its degrees of freedom.
        p_value: Probability of a statistic at least as large if positions are uniform.
    """

    observed: NDArray[np.int64]
    expected: NDArray[np.float64]
    chi_square: float
    freedom: int
    p_value: float


@dataclass
class PositionCounts:
    """Counts of the positions of random patches, each within the range that its image allows.

    A patch that may begin at x = 0 … n - 1 lies in column floor(x * k / n) of k. If k does not
    divide n, some columns hold more of the n positions than others. The expected count of a cell
    is therefore the exact sum over the images.

    Attributes:
        used: Number of textures whose images allow at least `FINEST` positions each way.
        left_out: Number of the others, whose cells depend on the image's size alone.
    """

    used: int = 0
    left_out: int = 0
    _observed: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((FINEST, FINEST), np.int64)
    )
    _expected: NDArray[np.float64] = field(default_factory=lambda: np.zeros((FINEST, FINEST)))

    def add(self, corners: NDArray[np.int64], ranges: NDArray[np.int64]) -> None:
        """Counts positions.

        Args:
            corners: (N, 2) x and y of the upper left pixels, px.
            ranges: (N, 2) number of allowed positions across and down.
        """
        fit = ((ranges >= FINEST) & (corners >= 0) & (corners < ranges)).all(axis=1)
        corners, ranges = corners[fit], ranges[fit]
        self.used += len(corners)
        self.left_out += int(np.count_nonzero(~fit))
        columns, rows = (corners * FINEST // ranges).T
        cells = np.bincount(rows * FINEST + columns, minlength=FINEST * FINEST)
        self._observed += cells.reshape(FINEST, FINEST)
        # (N, 16): the share of an image's positions in each column, and in each row.
        across, down = (_shares(ranges[:, axis]) for axis in (0, 1))
        # einsum, since BLAS would spend more on threads than on a product as small as this.
        self._expected += np.einsum("nr,nc->rc", down, across)

    def heat_map(self) -> HeatMap | None:
        """The finest map with enough in each cell; None if even 2 x 2 cells have too few."""
        for cells in (FINEST, 8, 4, 2):
            expected = _merged(self._expected, cells)
            if expected.min() >= _LEAST_EXPECTED:
                observed = _merged(self._observed, cells)
                statistic = float(((observed - expected) ** 2 / expected).sum())
                freedom = cells * cells - 1
                probability = chi_square_tail(statistic, freedom)
                return HeatMap(observed, expected, statistic, freedom, probability)
        return None


def _shares(ranges: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 16) share of the n positions of each range in each of `FINEST` columns."""
    edges = -(-np.arange(FINEST + 1) * ranges[:, None] // FINEST)
    shares: NDArray[np.float64] = np.diff(edges, axis=1) / ranges[:, None]
    return shares


def _merged(table: NDArray[_Number], cells: int) -> NDArray[_Number]:
    """(cells, cells) sums of the cells of the finest map."""
    step = FINEST // cells
    merged: NDArray[_Number] = table.reshape(cells, step, cells, step).sum(axis=(1, 3))
    return merged


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Probability that a chi-square variable of odd ``freedom`` is above ``statistic``.

    It is the closed form for odd degrees of freedom (Abramowitz and Stegun 1964, 26.4.4). Terms
    are computed as logarithms, since factors overflow where the tail underflows.
    """
    if statistic <= 0:
        return 1.0
    tail = math.erfc(math.sqrt(statistic / 2))
    log_term = 0.5 * math.log(2 / math.pi) - statistic / 2 - 0.5 * math.log(statistic)
    for odd in range(1, freedom, 2):
        log_term += math.log(statistic) - math.log(odd)
        tail += math.exp(log_term)
    return min(1.0, tail)
