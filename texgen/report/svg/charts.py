"""The page's charts, each a function from numbers to SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.report.svg.axes import (
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


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart.

    Attributes:
        name: In the legend.
        kind: Its class in the style sheet: colour and dashes.
        points: (N, 2) in the axes' units.
        band: (N, 2) least and greatest y around it, if there is a band.
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
    """How often values occur, in about `_BINS` bins of a round width from a round number on.

    Args:
        slug: Unique on the page.
        title: What it shows.
        counts: Value to occurrences, at least one.
        x_label: Quantity and unit of the values.
        y_label: What is counted.
    """
    values = np.array(list(counts), dtype=np.float64)
    times = np.array(list(counts.values()))
    low, high = float(values.min()), float(values.max())
    width = nice_step(max((high - low) / _BINS, abs(high) / 50, 1e-3))
    first = int(np.floor(low / width))
    number = int(np.floor(high / width)) - first + 1
    edges = (first + np.arange(number + 1)) * width
    # By index and not by edges, so that a value on an edge is in the bin that it begins.
    heights = np.bincount(np.floor(values / width).astype(int) - first, times, number)
    said = ", ".join(
        f"{number_text(edge)} to {number_text(edge + width)}: {height:,.0f}"
        for edge, height in zip(edges, heights, strict=False)
        if height
    )
    step = max(1, -(-number // 6))
    x = Axis(x_label, float(edges[0]), float(edges[-1]), [float(e) for e in edges[::step]])
    plot = Plot(slug, title, said, x, axis_from_zero(y_label, float(heights.max()), whole=True))
    for edge, height in zip(edges, heights, strict=False):
        left, top = plot.place(float(edge), float(height))
        right, bottom = plot.place(float(edge + width), 0)
        plot.marks.append(
            f'<rect class="bar" x="{left + 1:g}" y="{top:g}" width="{max(1, right - left - 2):g}" '
            f'height="{bottom - top:g}"><title>{number_text(edge)} to {number_text(edge + width)}: '
            f"{height:,.0f}</title></rect>"
        )
    return plot.svg()


def bars(slug: str, title: str, entries: Sequence[tuple[str, float, str]]) -> str:
    """Amounts below each other: name, amount and what is written behind the bar."""
    most = max(amount for _, amount, _ in entries) or 1.0
    parts = []
    for number, (name, amount, words) in enumerate(entries):
        y = number * _BAR + 4
        width = 150 * amount / most
        parts.append(label(100, y + 15, name, "end"))
        parts.append(f'<rect class="bar" x="108" y="{y}" width="{width:.1f}" height="20"/>')
        parts.append(tick(114 + width, y + 15, "start", words))
    said = "; ".join(f"{name}: {words}" for name, _, words in entries)
    return svg(slug, title, said, len(entries) * _BAR + 8, parts)


def lines(
    slug: str, title: str, description: str, axes: tuple[Axis, Axis], series: Sequence[Series]
) -> str:
    """Lines that are told apart by dashes besides colours; the last is on top."""
    plot = Plot(slug, title, description, *axes, height=280)
    for one in series:
        if one.band is not None:
            x = one.points[:, 0]
            upper = list(zip(x, one.band[:, 1], strict=True))
            lower = list(zip(x, one.band[:, 0], strict=True))
            d = plot.path([*upper, *lower[::-1]])
            plot.marks.append(f'<path class="band {one.kind}" d="{d}Z"/>')
    for one in series:
        d = plot.path([(float(x), float(y)) for x, y in one.points])
        plot.marks.append(f'<path class="line {one.kind}" d="{d}"/>')
    plot.legend([(f'<path class="line {s.kind}" d="M-10 0H10"/>', s.name) for s in series])
    return plot.svg()


def scatter(
    slug: str,
    title: str,
    labels: tuple[str, str],
    groups: Sequence[tuple[str, str, NDArray[np.float64]]],
) -> str:
    """Points over both axes from 0 to 255, with the diagonal on which they would be equal.

    Args:
        slug: Unique on the page.
        title: What it shows.
        labels: Of the x and y axis.
        groups: Name, class in the style sheet and (N, 2) points of each.
    """
    ticks = [0.0, 64.0, 128.0, 192.0, 255.0]
    axes = [Axis(words, 0.0, 255.0, ticks) for words in labels]
    said = "; ".join(
        f"{name}: mean difference {np.abs(points[:, 0] - points[:, 1]).mean():.1f}"
        for name, _, points in groups
    )
    plot = Plot(slug, title, said, axes[0], axes[1], square=True)
    plot.marks.append(f'<path class="equal" d="{plot.path([(0, 0), (255, 255)])}"/>')
    for _, kind, points in groups:
        plot.marks.append(f'<path class="point {kind}" d="{_marks(plot, kind, points)}"/>')
    plot.legend(
        [(f'<path class="point {kind}" d="{_MARKS[kind]}"/>', name) for name, kind, _ in groups]
    )
    return plot.svg()


# Relative paths around the present point: a ring and a cross.
_MARKS = {"photographs": "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", "patches": "m-3 -3l6 6m0 -6l-6 6"}
_MARKS = {kind: f"M0 0{path}" for kind, path in _MARKS.items()}


def _marks(plot: Plot, kind: str, points: NDArray[np.float64]) -> str:
    mark = _MARKS[kind].removeprefix("M0 0")
    places = (plot.place(float(x), float(y)) for x, y in points)
    return "".join(f"M{x:g} {y:g}{mark}" for x, y in places)


def swatches(slug: str, title: str, colours: NDArray[np.float64]) -> str:
    """Colours side by side, from dark to bright; (N, 3), 0 to 255."""
    order = np.argsort(colours @ np.array([0.299, 0.587, 0.114]))
    width = WIDTH / len(colours)
    parts = [
        f'<rect x="{i * width:.2f}" width="{width + 0.3:.2f}" height="40" '
        f'fill="rgb({",".join(f"{c:.0f}" for c in colours[n])})"/>'
        for i, n in enumerate(order)
    ]
    said = f"{len(colours)} mean colours, from dark to bright"
    # Stretched to any width: it has no type that would be stretched with it.
    return svg(slug, title, said, 40, parts, 'preserveAspectRatio="none"')
