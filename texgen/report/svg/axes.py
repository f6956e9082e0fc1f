"""Frame of a plot in SVG: scales, ticks, labels. The style sheet sets colours and fonts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from texgen.report.html.markup import text

WIDTH = 360
"""Width of every chart in its own units: about a phone's, so that text keeps its size there."""

_LETTER = 6.2
"""Mean width of a letter in a tick's font size, rather too much than too little."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 44

SQUARE = WIDTH - _LEFT - _RIGHT + _TOP + _BOTTOM
"""Height of a chart whose axes are equally long."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes:
        label: Quantity and unit.
        low: Value at the start.
        high: Value at the end, above ``low``.
        ticks: Values that have a tick.
        log: Whether the scale is logarithmic; then ``low`` is above 0.
        names: Texts of the ticks; empty for the numbers themselves.
    """

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False
    names: Sequence[str] = ()

    def marks(self) -> list[tuple[float, str]]:
        """Value and text of each tick."""
        return list(zip(self.ticks, self.names or map(number_text, self.ticks), strict=True))

    def share(self, value: float) -> float:
        """Position of a value along the axis, from 0 at the start to 1 at the end."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)


def axis_from_zero(label: str, most: float, *, integers: bool = False) -> Axis:
    """An axis from 0 to a round number of at least ``most``; ``integers`` keeps ticks whole."""
    step = nice_step(max(most, 1e-9) / 4)
    step = max(1.0, step) if integers else step
    number = max(1, math.ceil(most / step - 1e-9))
    return Axis(label, 0.0, step * number, [step * i for i in range(number + 1)])


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least ``least``, above 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def number_text(value: float) -> str:
    """A tick's number as text, such as ``0``, ``0.05``, ``1,500``, ``2M``."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


@dataclass
class Plot:
    """A chart to which marks are added.

    Attributes:
        slug: Start of the title's and the description's ids, unique on the page.
        title: Title for screen readers; plain text.
        description: Description of the values for screen readers; plain text.
        x: Horizontal axis.
        y: Vertical axis.
        height: Height of the chart in its own units; `SQUARE` makes both axes equally long.
        marks: SVG elements inside the frame.
    """

    slug: str
    title: str
    description: str
    x: Axis
    y: Axis
    height: float = 240.0
    marks: list[str] = field(default_factory=list)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Coordinates of a point in the drawing."""
        across = _LEFT + self.x.share(x) * (WIDTH - _LEFT - _RIGHT)
        down = _TOP + (1 - self.y.share(y)) * (self.height - _TOP - _BOTTOM)
        return round(across, 1), round(down, 1)

    def path(self, points: Iterable[Iterable[float]]) -> str:
        """The ``d`` attribute of a line through points in the axes' units."""
        places = (self.place(x, y) for x, y in points)
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)

    def legend(self, entries: Sequence[tuple[str, str]]) -> None:
        """Adds a row above the frame; each entry is a mark in SVG around (0, 0) and its name."""
        left: float = _LEFT
        for mark, name in entries:
            self.marks.append(
                f'<g transform="translate({left + 10:g} 13)">{mark}'
                f'<text class="tick" x="14" y="4">{text(name)}</text></g>'
            )
            left += 44 + _LETTER * len(name)

    def svg(self) -> str:
        """The SVG of the chart."""
        return svg(self.slug, self.title, self.description, self.height, self._frame() + self.marks)

    def _frame(self) -> list[str]:
        left, bottom = self.place(self.x.low, self.y.low)
        right, top = self.place(self.x.high, self.y.high)
        parts = []
        for value, name in self.y.marks():
            _, y = self.place(self.x.low, value)
            parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
            parts.append(tick(left - 6, y + 4, "end", name))
        for value, name in self.x.marks():
            x, _ = self.place(value, self.y.low)
            parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 4}"/>')
            parts.append(tick(x, bottom + 17, "middle", name))
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        middle = (left + right) / 2
        parts.append(label(middle, bottom + 36, self.x.label, "middle"))
        turn = f'transform="rotate(-90 12 {(top + bottom) / 2:g})"'
        parts.append(label(12, (top + bottom) / 2, self.y.label, "middle", turn))
        return parts


def svg(
    slug: str, title: str, description: str, height: float, parts: Sequence[str], more: str = ""
) -> str:
    """A drawing with a width of `WIDTH` that screen readers announce as one image."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" {more} '
        f'aria-labelledby="{slug}-title {slug}-text">'
        f'<title id="{slug}-title">{text(title)}</title>'
        f'<desc id="{slug}-text">{text(description)}</desc>{"".join(parts)}</svg>'
    )


def label(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    """Text in a chart."""
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text class="label" {place} {more}>{text(words)}</text>'


def tick(x: float, y: float, anchor: str, words: str) -> str:
    """Small text in a chart, such as the numbers of an axis."""
    return f'<text class="tick" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{text(words)}</text>'
