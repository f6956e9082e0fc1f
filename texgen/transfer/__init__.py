"""Finished data sets from one place to another: download, publish, export."""

from texgen.transfer.download import DownloadRequest, DownloadSummary, download
from texgen.transfer.export import ExportSummary, export
from texgen.transfer.remote import open_remote

__all__ = [
    "DownloadRequest",
    "DownloadSummary",
    "ExportSummary",
    "download",
    "export",
    "open_remote",
]
