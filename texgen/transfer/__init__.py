"""Copies finished data sets: download, export, publish.

Only `texgen publish` imports `texgen.transfer.publish`, which imports boto3.
"""

from texgen.transfer.download import DownloadRequest, DownloadSummary, download
from texgen.transfer.export import ExportSummary, export
from texgen.transfer.places import folder_of, open_remote

__all__ = [
    "DownloadRequest",
    "DownloadSummary",
    "ExportSummary",
    "download",
    "export",
    "folder_of",
    "open_remote",
]
