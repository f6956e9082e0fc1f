"""A static file server, as a place to download from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import urllib3

from texgen.errors import ConfigError
from texgen.transfer.faults import guarded, remote_errors
from texgen.transfer.remote import BLOCK, Body, RemoteError, cut_off

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "texgen"}
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


class HttpRemote:
    """A static file server.

    Args:
        url: Of the folder that holds ``index.json``.
        timeout_s: Silence after which a connection counts as dead, s.

    Raises:
        ConfigError: If a user or a password is in the URL.
    """

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        if "@" in urlsplit(url).netloc:
            # Every message names the URL.
            message = "a user or a password in the URL is not taken; name a signed URL, or a bucket"
            raise ConfigError(message)
        # What follows "?" is that of a signed URL, and goes with every file.
        base, mark, query = url.partition("?")
        self._base = base.rstrip("/") + "/"
        self._query = mark + query
        timeout = urllib3.Timeout(connect=10.0, read=timeout_s)
        # Not tried again here: who asks knows how much of a file is there already.
        retries = urllib3.Retry(0, redirect=5, status=0)
        self._pool = urllib3.PoolManager(maxsize=32, timeout=timeout, retries=retries)

    def place(self, path: str) -> str:
        """See `Remote.place`."""
        # Without what follows "?".
        return self._base + path

    @contextlib.contextmanager
    def fetch(self, path: str, offset: int = 0) -> Iterator[Body]:
        """See `Remote.fetch`."""
        name = self.place(path)
        url = self._base + quote(path) + self._query
        headers = {**_HEADERS, **({"Range": f"bytes={offset}-"} if offset else {})}
        with remote_errors(name):
            response = self._pool.request("GET", url, headers=headers, preload_content=False)
        try:
            first = _begin(response, offset, name)
            # Not decoded: a file's own compression is part of its bytes.
            yield Body(first, guarded(response.stream(BLOCK, decode_content=False), name))
        finally:
            # A connection whose body was read to its end goes back to the pool.
            response.drain_conn() if response.length_remaining == 0 else response.close()
            response.release_conn()


def _begin(response: urllib3.BaseHTTPResponse, offset: int, name: str) -> int:
    """The byte that an answer begins with."""
    if response.status == 200:
        return 0
    if response.status == 206:
        said = response.headers.get("Content-Range", "")
        if not said.startswith(f"bytes {offset}-"):
            message = f"{name}: asked for bytes from {offset} on, got {said or 'others'}"
            raise RemoteError(message, again=False)
        return offset
    if response.status == 416:
        raise cut_off(name, offset)
    message = f"{name}: the server answers {response.status} {response.reason or ''}".rstrip()
    raise RemoteError(message, again=response.status in _RETRYABLE)
