"""Report about a finished data set: one self-contained HTML page."""

from texgen.report.page import render_report
from texgen.report.samples import take_samples

__all__ = ["render_report", "take_samples"]
