"""One self-contained HTML page about a finished data set."""

from texgen.report.figures import Figures, gather
from texgen.report.page import render

__all__ = ["Figures", "gather", "render"]
