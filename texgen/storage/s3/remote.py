"""A prefix of a bucket, as a place to download from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from texgen.core.errors import StorageError
from texgen.storage.remote import Body, RemoteError, cut_off
from texgen.storage.s3.address import parse
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.errors import ConditionFailedError, OutOfRangeError

_PIECE = 8 << 20
"""Asked for at once: a request that breaks costs no more than that."""


class BucketRemote:
    """Objects below one prefix; requests are unsigned where there are no credentials.

    Args:
        url: ``s3://bucket/prefix``.
        endpoint: URL of an S3-compatible store; None is what the environment names.

    Raises:
        ConfigError: If the URL names no bucket.
    """

    def __init__(self, url: str, endpoint: str | None = None) -> None:
        self._bucket = Bucket(parse(url), endpoint)

    def place(self, path: str) -> str:
        """See `Remote.place`."""
        return self._bucket.address.url(path)

    @contextlib.contextmanager
    def fetch(self, path: str, offset: int = 0) -> Iterator[Body]:
        """See `Remote.fetch`."""
        yield Body(offset, self._pieces(path, offset))

    def _pieces(self, path: str, offset: int) -> Iterator[bytes]:
        etag = None
        while True:
            try:
                found = self._bucket.get(path, offset, offset + _PIECE, etag)
            except ConditionFailedError as error:
                message = f"{self.place(path)} has changed while it was read"
                raise RemoteError(message, again=True) from error
            except OutOfRangeError as error:
                raise cut_off(self.place(path), offset) from error
            except StorageError as error:
                # Tried again already, as often as it is worth.
                raise RemoteError(str(error), again=False) from error
            yield found.data
            offset, etag = offset + len(found.data), found.etag
            if offset >= found.size:
                return
