"""Places that a data set is downloaded from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import urllib3

from texgen.errors import ConfigError, TexgenError

BLOCK = 1 << 20


class RemoteError(TexgenError):
    """A file cannot be fetched.

    Args:
        message: Names the file and what happened.
        again: Whether another try may succeed.
    """

    def __init__(self, message: str, again: bool) -> None:
        super().__init__(message, again)
        self.again = again

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Body:
    """A file, or the rest of one, as it comes.

    Attributes:
        offset: Byte with which it begins: 0 where the place sends whole files only.
        blocks: Its bytes.
    """

    offset: int
    blocks: Iterator[bytes]


class Remote(Protocol):
    """Files by path; nothing is known of them but what the index says."""

    def fetch(self, path: str, offset: int = 0) -> AbstractContextManager[Body]:
        """Opens a file.

        Args:
            path: Relative to the data set.
            offset: Byte to begin with, where the place can.

        Raises:
            RemoteError: If it cannot be had; while the body is read, too.
        """
        ...


def open_remote(url: str) -> Remote:
    """The place that a URL or a path names.

    Raises:
        ConfigError: If it is of no kind that is known.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme in ("http", "https"):
        return HttpRemote(url)
    if scheme in ("", "file"):
        return FolderRemote(Path(urlsplit(url).path if scheme else url))
    message = f"{url}: texgen downloads from https://, http:// and folders"
    raise ConfigError(message)


class FolderRemote:
    """A folder, such as one that is mounted from elsewhere."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def fetch(self, path: str, offset: int = 0) -> Iterator[Body]:
        """See `Remote.fetch`."""
        place = self._root / path
        with contextlib.ExitStack() as stack:
            with _remote_errors(str(place)):
                file = stack.enter_context(place.open("rb"))
                file.seek(offset)
            yield Body(offset, _guarded(iter(lambda: file.read(BLOCK), b""), str(place)))


class HttpRemote:
    """A static file server.

    Args:
        url: Of the folder that holds ``index.json``.
        timeout_s: Silence after which a connection counts as dead, s.
    """

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        # What follows "?" is that of a signed URL, and goes with every file.
        base, mark, query = url.partition("?")
        self._base = base.rstrip("/") + "/"
        self._query = mark + query
        timeout = urllib3.Timeout(connect=10.0, read=timeout_s)
        # Not tried again here: who asks knows how much of a file is there already.
        retries = urllib3.Retry(0, redirect=5, status=0)
        self._pool = urllib3.PoolManager(maxsize=32, timeout=timeout, retries=retries)

    @contextlib.contextmanager
    def fetch(self, path: str, offset: int = 0) -> Iterator[Body]:
        """See `Remote.fetch`."""
        # Without what follows "?", which may be a secret.
        name = self._base + path
        url = self._base + quote(path) + self._query
        headers = {**_HEADERS, **({"Range": f"bytes={offset}-"} if offset else {})}
        with _remote_errors(name):
            response = self._pool.request("GET", url, headers=headers, preload_content=False)
        try:
            first = _begin(response, offset, name)
            # Not decoded: a file's own compression is part of its bytes.
            yield Body(first, _guarded(response.stream(BLOCK, decode_content=False), name))
        finally:
            # A connection whose body was read to its end goes back to the pool.
            response.drain_conn() if response.length_remaining == 0 else response.close()
            response.release_conn()


@contextlib.contextmanager
def _remote_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        gone = isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError))
        message = f"{name}: {_reason(error)}"
        raise RemoteError(message, again=not gone) from error


def _guarded(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Errors of reading, and not of what is done with what was read."""
    while True:
        with _remote_errors(name):
            block = next(blocks, b"")
        if not block:
            return
        yield block


_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "texgen"}
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


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
    message = f"{name}: the server answers {response.status} {response.reason or ''}".rstrip()
    raise RemoteError(message, again=response.status in _RETRYABLE)


def _reason(error: Exception) -> str:
    """What happened, without the names of Python's classes around it."""
    inner = getattr(error, "reason", None) or error
    if isinstance(inner, OSError) and inner.errno:
        return os.strerror(inner.errno)
    return " ".join(str(inner).rsplit(": ", 1)[-1].split()) or type(inner).__name__
