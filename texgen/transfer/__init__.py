"""Finished data sets from one place to another: download, export, publish.

`texgen.transfer.publish` is imported where it is used: with it comes boto3.
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
