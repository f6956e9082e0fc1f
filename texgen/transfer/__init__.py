"""Copies finished data sets: download, export, publish.

Only `texgen publish` imports `texgen.transfer.publish`, which imports boto3.
"""

from urllib.parse import unquote, urlsplit

from texgen.core.errors import ConfigError
from texgen.core.layout import INDEX
from texgen.storage import StreamStore, open_stream_store
from texgen.transfer.download import DownloadRequest, DownloadSummary, download
from texgen.transfer.export import ExportSummary, export

__all__ = [
    "DownloadRequest",
    "DownloadSummary",
    "ExportSummary",
    "download",
    "export",
    "folder_of",
    "open_remote",
]


def folder_of(url: str) -> str | None:
    """Returns the path that a path or ``file://`` URL names; None for any other URL.

    Raises:
        ConfigError: If a ``file://`` URL names another machine.
    """
    if not url.startswith("file://"):
        return None if "://" in url else url
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ConfigError(
            f"file://{parts.netloc}/ is on another machine; write file:///path, or the path"
        )
    return unquote(parts.path)


def open_remote(url: str, s3_endpoint: str | None = None) -> StreamStore:
    """Opens the place that a URL or a path names; it may also name the index there.

    Args:
        url: ``https://``, ``http://``, ``s3://bucket/prefix``, ``hf://datasets/USER/NAME``, or a
            folder.
        s3_endpoint: URL of an S3-compatible store; None for the one that the environment names.

    Raises:
        ConfigError: If the kind of place is not known.
    """
    base, mark, query = url.partition("?") if "://" in url else (url, "", "")
    if base.endswith(f"/{INDEX}"):
        url = base.removesuffix(INDEX) + mark + query
    folder = folder_of(url)
    return open_stream_store(url if folder is None else folder, s3_endpoint)
