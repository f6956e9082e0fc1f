"""Opens the place that a data set is downloaded from."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from texgen.core.errors import ConfigError
from texgen.core.layout import INDEX
from texgen.storage import StreamStore, open_stream_store

_FILE = "file://"


def folder_of(url: str) -> str | None:
    """Returns the path that a path or ``file://`` URL names; None for any other URL.

    Raises:
        ConfigError: If a ``file://`` URL names another machine.
    """
    if not url.startswith(_FILE):
        return None if "://" in url else url
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        message = f"file://{parts.netloc}/ is on another machine; write file:///path, or the path"
        raise ConfigError(message)
    return unquote(parts.path)


def open_remote(url: str, s3_endpoint: str | None = None) -> StreamStore:
    """Opens the place that a URL or a path names; it may also name the index there.

    Args:
        url: ``https://``, ``http://``, ``s3://bucket/prefix``, or a folder.
        s3_endpoint: URL of an S3-compatible store; None for the one that the environment names.

    Raises:
        ConfigError: If the kind of place is not known.
    """
    url = _without_index(url)
    folder = folder_of(url)
    return open_stream_store(url if folder is None else folder, s3_endpoint)


def _without_index(url: str) -> str:
    """Returns the URL or path of the folder for that of its ``index.json``."""
    base, mark, query = url.partition("?") if "://" in url else (url, "", "")
    if base.endswith(f"/{INDEX}"):
        base = base.removesuffix(INDEX)
    return base + mark + query
