"""The page's charts. Each is a function from numbers to SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.report.image_statistics import LUMA
from texgen.report.position_test import HeatMap
from texgen.report.svg.axes import (
    SQUARE,
    WIDTH,
    Axis,
    Plot,
    axis_from_zero,
    label,
    nice_step,
    number_text,
    svg,
    tick,
)

_BINS = 12
_BAR = 30
_MAP_SIDE = 264.0
_FULL_RATIO = 2.0
"""Ratio of the observed to the expected count at which the colour is full."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart.

    Attributes:
        name: Name in the legend.
        kind: Class in the style sheet, which sets colour and dashes.
        points: (N, 2) in the axes' units.
        band: (N, 2) least and greatest y of a band around the line, or None for no band.
    """

    name: str
    kind: str
    points: NDArray[np.float64]
    band: NDArray[np.float64] | None = None


def histogram(
    slug: str,
    title: str,
    counts: Mapping[int, int] | Mapping[float, int],
    x_label: str,
    y_label: str,
) -> str:
    """A histogram in about `_BINS` bins with round edges.

    Args:
        slug: Start of ids, unique on the page.
        title: Title.
        counts: Number of occurrences by value; at least one value.
        x_label: Quantity and unit of the values.
        y_label: Name of the counts.
    """
    values = np.array(list(counts), dtype=np.float64)
    times = np.array(list(counts.values()))
    low, high = float(values.min()), float(values.max())
    width = nice_step(max((high - low) / _BINS, abs(high) / 50, 1e-3))
    first = int(np.floor(low / width))
    number = int(np.floor(high / width)) - first + 1
    edges = (first + np.arange(number + 1)) * width
    # Bins are found by index, so that a value on an edge falls into the bin that starts there.
    heights = np.bincount(np.floor(values / width).astype(int) - first, times, number)
    bins = list(zip(edges[:-1].tolist(), heights.tolist(), strict=True))
    names = [f"{number_text(e)} to {number_text(e + width)}: {n:,.0f}" for e, n in bins]
    description = ", ".join(name for name, n in zip(names, heights, strict=True) if n)
    step = max(1, -(-number // 6))
    x = Axis(x_label, float(edges[0]), float(edges[-1]), [float(e) for e in edges[::step]])
    plot = Plot(
        slug, title, description, x, axis_from_zero(y_label, float(heights.max()), integers=True)
    )
    for (edge, height), name in zip(bins, names, strict=True):
        left, top = plot.place(edge, height)
        right, bottom = plot.place(edge + width, 0)
        plot.marks.append(
            f'<rect class="bar" x="{left + 1:g}" y="{top:g}" width="{max(1, right - left - 2):g}" '
            f'height="{bottom - top:g}"><title>{name}</title></rect>'
        )
    return plot.svg()


def bars(slug: str, title: str, entries: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars; each entry is a name, an amount and the text behind the bar."""
    most = max(amount for _, amount, _ in entries) or 1.0
    parts = []
    for number, (name, amount, value) in enumerate(entries):
        y = number * _BAR + 4
        width = 150 * amount / most
        parts.append(label(100, y + 15, name, "end"))
        parts.append(f'<rect class="bar" x="108" y="{y}" width="{width:.1f}" height="20"/>')
        parts.append(tick(114 + width, y + 15, "start", value))
    description = "; ".join(f"{name}: {value}" for name, _, value in entries)
    return svg(slug, title, description, len(entries) * _BAR + 8, parts)


def lines(
    slug: str, title: str, description: str, axes: tuple[Axis, Axis], series: Sequence[Series]
) -> str:
    """Lines that differ by dashes and colour; the last is on top."""
    plot = Plot(slug, title, description, *axes, height=280)
    for one in series:
        if one.band is not None:
            lower, upper = (np.stack([one.points[:, 0], edge], 1) for edge in one.band.T)
            d = plot.path([*upper, *lower[::-1]])
            plot.marks.append(f'<path class="band {one.kind}" d="{d}Z"/>')
    for one in series:
        d = plot.path(one.points)
        plot.marks.append(f'<path class="line {one.kind}" d="{d}"/>')
    plot.legend([(f'<path class="line {s.kind}" d="M-10 0H10"/>', s.name) for s in series])
    return plot.svg()


def scatter(
    slug: str,
    title: str,
    labels: tuple[str, str],
    groups: Mapping[str, NDArray[np.float64]],
) -> str:
    """Points over axes from 0 to 255, with the diagonal on which both values are equal.

    Args:
        slug: Start of ids, unique on the page.
        title: Title.
        labels: Labels of the x and the y axis.
        groups: (N, 2) points of each group by its name, which is its class in the style sheet.
    """
    ticks = [0.0, 64.0, 128.0, 192.0, 255.0]
    axes = [Axis(text, 0.0, 255.0, ticks) for text in labels]
    description = "; ".join(
        f"{name}: mean difference {np.abs(points[:, 0] - points[:, 1]).mean():.1f}"
        for name, points in groups.items()
    )
    plot = Plot(slug, title, description, axes[0], axes[1], height=SQUARE)
    plot.marks.append(f'<path class="equal" d="{plot.path([(0, 0), (255, 255)])}"/>')
    for kind, points in groups.items():
        places = (plot.place(float(x), float(y)) for x, y in points)
        d = "".join(f"M{x:g} {y:g}{_MARKS[kind]}" for x, y in places)
        plot.marks.append(f'<path class="point {kind}" d="{d}"/>')
    plot.legend([(f'<path class="point {k}" d="M0 0{_MARKS[k]}"/>', k) for k in groups])
    return plot.svg()


_MARKS = {"images": "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", "patches": "m-3 -3l6 6m0 -6l-6 6"}
"""A ring and a cross as paths relative to the current point."""


def swatches(slug: str, title: str, colours: NDArray[np.float64]) -> str:
    """Colours (N, 3), 0 to 255, side by side from dark to bright."""
    order = np.argsort(colours @ LUMA)
    width = WIDTH / len(colours)
    parts = [
        f'<rect x="{i * width:.2f}" width="{width + 0.3:.2f}" height="40" '
        f'fill="rgb({",".join(f"{c:.0f}" for c in colours[n])})"/>'
        for i, n in enumerate(order)
    ]
    description = f"{len(colours)} mean colours, from dark to bright"
    # The strip has no text, so it may be stretched to any width.
    return svg(slug, title, description, 40, parts, 'preserveAspectRatio="none"')


def heat_map(slug: str, title: str, counts: HeatMap) -> str:
    """A map of the ratio of observed to expected counts over the range of positions."""
    ratio = counts.observed / counts.expected
    cells = len(ratio)
    side = _MAP_SIDE / cells
    left, top = 62.0, 8.0
    parts = []
    for (row, column), value in np.ndenumerate(ratio):
        shade = min(value / _FULL_RATIO, 1.0)
        parts.append(
            f'<rect class="cell" x="{left + column * side:.2f}" y="{top + row * side:.2f}" '
            f'width="{side:.2f}" height="{side:.2f}" fill-opacity="{shade:.3f}"><title>'
            f"{counts.observed[row, column]:,} found, {counts.expected[row, column]:,.1f} expected"
            "</title></rect>"
        )
    parts.append(
        f'<rect class="outline" x="{left}" y="{top}" width="{_MAP_SIDE:g}" height="{_MAP_SIDE:g}"/>'
    )
    parts += _heat_axes(left, top) + _heat_scale(left, top + _MAP_SIDE + 54)
    description = (
        f"{cells} by {cells} cells; counts are {ratio.min():.2f} to {ratio.max():.2f} times "
        "those expected"
    )
    return svg(slug, title, description, top + _MAP_SIDE + 92, parts)


def _heat_axes(left: float, top: float) -> list[str]:
    bottom, right = top + _MAP_SIDE, left + _MAP_SIDE
    turn = f'transform="rotate(-90 14 {top + _MAP_SIDE / 2:g})"'
    return [
        label(left, bottom + 17, "left", "start"),
        label(right, bottom + 17, "right", "end"),
        label(left - 8, top + 11, "top", "end"),
        label(left - 8, bottom, "bottom", "end"),
        label((left + right) / 2, bottom + 34, "position within the allowed range", "middle"),
        label(14, top + _MAP_SIDE / 2, "position within the allowed range", "middle", turn),
    ]


def _heat_scale(left: float, top: float) -> list[str]:
    """The legend: eight shades, with texts for none, half and all of the colour."""
    step = _MAP_SIDE / 8
    parts = [
        f'<rect class="cell" x="{left + i * step:g}" y="{top}" width="{step:g}" height="12" '
        f'fill-opacity="{(i + 0.5) / 8:g}"/>'
        for i in range(8)
    ]
    parts.append(f'<rect class="outline" x="{left}" y="{top}" width="{_MAP_SIDE:g}" height="12"/>')
    for share, anchor, value in (
        (0.0, "start", "0"),
        (0.5, "middle", "as expected"),
        (1.0, "end", "twice or more"),
    ):
        parts.append(tick(left + share * _MAP_SIDE, top + 27, anchor, value))
    return parts
