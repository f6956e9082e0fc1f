"""Report about a finished data set: one self-contained HTML page."""

from texgen.report.page import ReportData, collect_report, render_report

__all__ = ["ReportData", "collect_report", "render_report"]
