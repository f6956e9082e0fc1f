"""The heat map of positions."""

from __future__ import annotations

import numpy as np

from texgen.report.position_test import HeatMap
from texgen.report.svg.axes import label, svg, tick

_CELLS = 264.0
_MOST = 2.0
"""Times the expected count at which the colour is full."""


def heat_map(slug: str, title: str, found: HeatMap) -> str:
    """Counts over the range of positions, in shares of what is expected."""
    ratio = found.observed / found.expected
    cells = len(ratio)
    side = _CELLS / cells
    left, top = 62.0, 8.0
    parts = []
    for (row, column), share in np.ndenumerate(ratio):
        shade = min(share / _MOST, 1.0)
        parts.append(
            f'<rect class="cell" x="{left + column * side:.2f}" y="{top + row * side:.2f}" '
            f'width="{side:.2f}" height="{side:.2f}" fill-opacity="{shade:.3f}"><title>'
            f"{found.observed[row, column]:,} found, {found.expected[row, column]:,.1f} expected"
            "</title></rect>"
        )
    parts.append(
        f'<rect class="outline" x="{left}" y="{top}" width="{_CELLS:g}" height="{_CELLS:g}"/>'
    )
    parts += _heat_axes(left, top) + _heat_scale(left, top + _CELLS + 54)
    said = (
        f"{cells} by {cells} cells; found counts are {ratio.min():.2f} to {ratio.max():.2f} "
        "times those expected"
    )
    return svg(slug, title, said, top + _CELLS + 92, parts)


def _heat_axes(left: float, top: float) -> list[str]:
    bottom, right = top + _CELLS, left + _CELLS
    turn = f'transform="rotate(-90 14 {top + _CELLS / 2:g})"'
    return [
        label(left, bottom + 17, "left", "start"),
        label(right, bottom + 17, "right", "end"),
        label(left - 8, top + 11, "top", "end"),
        label(left - 8, bottom, "bottom", "end"),
        label((left + right) / 2, bottom + 34, "position within the range allowed", "middle"),
        label(14, top + _CELLS / 2, "position within the range allowed", "middle", turn),
    ]


def _heat_scale(left: float, top: float) -> list[str]:
    """The legend: eight shades, and what none, half and all of the colour mean."""
    step = _CELLS / 8
    parts = [
        f'<rect class="cell" x="{left + i * step:g}" y="{top}" width="{step:g}" height="12" '
        f'fill-opacity="{(i + 0.5) / 8:g}"/>'
        for i in range(8)
    ]
    parts.append(f'<rect class="outline" x="{left}" y="{top}" width="{_CELLS:g}" height="12"/>')
    for share, anchor, words in (
        (0.0, "start", "0"),
        (0.5, "middle", "as expected"),
        (1.0, "end", "twice or more"),
    ):
        parts.append(tick(left + share * _CELLS, top + 27, anchor, words))
    return parts
