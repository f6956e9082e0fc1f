"""How plots look, and how they become files.

Colours are Okabe and Ito's, which colour-blind people tell apart; kinds differ by marker or
line besides.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B6B6B"
SERIES = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9")
MARKERS = "osD^vP"
STYLE: dict[Any, Any] = {
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
    # Text stays text in a PDF.
    "pdf.fonttype": 42,
}
WIDE, NARROW = 6.8, 3.4
"""Two columns of a page and one, inches."""


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches, with axes side by side."""
    figure = Figure((width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def to_file(figure: Figure, kind: str) -> bytes:
    """A figure as the bytes of a ``pdf`` or ``png``."""
    file = io.BytesIO()
    # The same bytes at any time.
    about = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(file, format=kind, dpi=220, metadata=about)
    return file.getvalue()
