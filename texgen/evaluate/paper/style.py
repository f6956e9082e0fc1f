"""Style of the plots, and their files.

Colours are those of Okabe and Ito, which colour-blind people can tell apart. Series also differ by
marker or line.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B6B6B"
SERIES = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9")
MARKERS = "osD^vP"
_LINES = ("-", "--", ":", "-.")
_OTHER_SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Arial Unicode MS")
"""Fonts for letters that DejaVu lacks, such as in names of classes; used if they are installed."""
_INSTALLED = set(font_manager.get_font_names())
STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans", *(font for font in _OTHER_SCRIPTS if font in _INSTALLED)],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    # Type 42 keeps text as text in a PDF.
    "pdf.fonttype": 42,
}
WIDE, NARROW = 6.8, 3.4
"""Width of two columns of a page and of one, inches."""


def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """An empty figure of a size in inches, and its axes row by row."""
    figure = Figure((width, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def series_style(number: int, *, level: bool = False) -> dict[str, Any]:
    """Colour, marker and line of a series; no two of the first 24 are alike.

    With ``level`` the series is a line across, without points.
    """
    cycle = number // len(SERIES)
    style: dict[str, Any] = {
        "color": SERIES[number % len(SERIES)],
        "linestyle": _LINES[(cycle + level) % len(_LINES)],
    }
    return style if level else style | {"marker": MARKERS[(number + cycle) % len(MARKERS)]}


def to_file(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure's file, a ``pdf`` or ``png``."""
    file = io.BytesIO()
    # Without a date, the bytes are the same at any time.
    metadata = {"CreationDate": None} if kind == "pdf" else None
    with warnings.catch_warnings():
        # A letter that no font has is drawn as a box, without a warning.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(file, format=kind, dpi=220, metadata=metadata)
    return file.getvalue()
