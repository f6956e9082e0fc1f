"""The kinds of places that a data set is downloaded from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from texgen.errors import ConfigError
from texgen.s3.address import SCHEME
from texgen.transfer.folder import FolderRemote
from texgen.transfer.http import HttpRemote
from texgen.transfer.remote import Remote


def open_remote(url: str, s3_endpoint: str | None = None) -> Remote:
    """The place that a URL or a path names.

    Args:
        url: ``https://``, ``http://``, ``s3://bucket/prefix``, or a folder.
        s3_endpoint: URL of an S3-compatible store; None is what the environment names.

    Raises:
        ConfigError: If it is of no kind that is known.
    """
    if url.startswith(SCHEME):
        # boto3 takes a third of a second to import, and other places need none of it.
        from texgen.transfer.bucket import BucketRemote

        return BucketRemote(url, s3_endpoint)
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("http", "https"):
        return HttpRemote(url)
    if scheme in ("", "file"):
        return FolderRemote(Path(urlsplit(url).path if scheme else url))
    # Of what is not known anything may be a secret.
    message = (
        f"{scheme}:// is not known here; name https://, http://, s3://bucket/prefix or a folder"
    )
    raise ConfigError(message)
