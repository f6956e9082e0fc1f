"""Locations that people type: folders and URLs, and the stores that they name."""

from __future__ import annotations

from texgen.core.errors import ConfigError
from texgen.storage.hub.address import SCHEME as HUB_SCHEME
from texgen.storage.hub.address import check_web_url, parse_hub_url
from texgen.storage.local import LocalStore
from texgen.storage.s3.address import SCHEME, parse
from texgen.storage.store import Store, StreamStore


def open_store(location: str, s3_endpoint: str | None = None) -> Store:
    """The files below a location; no other function chooses the kind of store.

    Args:
        location: A folder, or ``s3://bucket/prefix``.
        s3_endpoint: URL of an S3-compatible store; None is the one that the environment names.

    Raises:
        ConfigError: If this version knows no such place.
    """
    if "://" not in location:
        return LocalStore(location)
    address = parse(location)
    # boto3 takes a third of a second to import, and folders need none of it.
    from texgen.storage.s3.store import S3Store

    return S3Store(address, s3_endpoint)


def open_stream_store(location: str, s3_endpoint: str | None = None) -> StreamStore:
    """The files below a location that a data set is downloaded from, which may be a web server.

    Args:
        location: ``https://…``, ``http://…``, ``hf://datasets/USER/NAME``, or one that
            `open_store` takes.
        s3_endpoint: See `open_store`.

    Raises:
        ConfigError: If this version knows no such place.
    """
    scheme, mark, _ = location.partition("://")
    if not mark or location.startswith(SCHEME):
        return open_store(location, s3_endpoint)
    if location.startswith(HUB_SCHEME):
        from texgen.storage.hub.store import HubStore

        return HubStore(parse_hub_url(location))
    if scheme.lower() in ("http", "https"):
        from texgen.storage.http import HttpStore

        check_web_url(location)
        return HttpStore(location)
    # Any part of an unknown URL may be a secret.
    known = "https://, http://, s3://bucket/prefix, hf://datasets/USER/NAME or a folder"
    raise ConfigError(f"{scheme.lower()}:// is not known here; name {known}")
