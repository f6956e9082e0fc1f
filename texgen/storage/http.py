"""`HttpStore`: files of a static file server."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, quote

import urllib3

from texgen.core.errors import ConfigError
from texgen.core.text import escape_unprintable
from texgen.storage.errors import OutOfRangeError, StoreError
from texgen.storage.network.causes import RETRYABLE_STATUS, cause_of, proxy_cause
from texgen.storage.network.proxies import host_url
from texgen.storage.network.requests import Web
from texgen.storage.store import Stream, StreamStore, guarded

_BLOCK = 1 << 20
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "texgen"}
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<script", b"<!--")

_RANGE = re.compile(r"bytes (\d{1,18})-")
_PLAIN = {"", "identity", "aws-chunked"}
"""Encodings that change no byte; some stores keep the last one of how a file was uploaded."""

_ONE_OBJECT = {"X-Amz-Signature", "X-Goog-Signature"}
"""Parameters of URLs that are signed for one object alone."""

_NO_OTHER = (
    "; a URL that is signed for one object opens no other: name s3://bucket/prefix, or a URL whose "
    "signature holds for the folder"
)


class HttpStore(StreamStore):
    """Files of a static file server; see `texgen.storage.store.StreamStore`.

    Args:
        url: URL of the folder.
        timeout_s: Silence after which a connection is considered dead, s.
        secret_headers: Headers for the URL's own server; redirects to others do not get them.

    Raises:
        ConfigError: If nothing can be downloaded from such a URL.
    """

    def __init__(
        self, url: str, timeout_s: float = 60.0, secret_headers: Mapping[str, str] | None = None
    ) -> None:
        base, mark, query = url.partition("#")[0].partition("?")
        _check(url)
        # The query of a signed URL goes with every file.
        self._base = base.rstrip("/") + "/"
        self._query = mark + query
        self._hint_403 = "" if _ONE_OBJECT.isdisjoint(parse_qs(query)) else _NO_OTHER
        self._secret_headers = secret_headers or {}
        self._web = Web(timeout_s)

    def place(self, path: str = "") -> str:
        """See `StreamStore.place`; the query is left out, since it may be a secret."""
        return self._base + path

    @contextlib.contextmanager
    def stream(self, path: str, offset: int = 0) -> Iterator[Stream]:
        """See `StreamStore.stream`."""
        response, place = self._get(path, offset)
        if not _is_rest(response, offset):
            response.close()
            response, place = self._get(path, 0)
        try:
            first = self._first_of(response, offset, place)
            compressed = _is_compressed(response, place)
            body = response.stream(_BLOCK, decode_content=compressed)
            blocks = guarded(body, lambda: _body_errors(place))
            yield Stream(first, _without_pages(blocks, place) if first == 0 else blocks)
        finally:
            # A connection whose body was read to its end goes back to the pool.
            response.drain_conn() if response.length_remaining == 0 else response.close()
            response.release_conn()

    def _get(self, path: str, offset: int) -> tuple[urllib3.BaseHTTPResponse, str]:
        url = self._base + quote(path) + self._query
        headers = {**_HEADERS, **({"Range": f"bytes={offset}-"} if offset else {})}
        return self._web.get(url, headers, self.place(path), self._secret_headers)

    def _first_of(self, response: urllib3.BaseHTTPResponse, offset: int, place: str) -> int:
        """The first byte of the file that an answer holds, if the answer can be used."""
        if response.status in (200, 206):
            first = _first_byte(response)
            if first in (0, offset):
                return first
            reason = "asked for all of it, a part comes; tell whoever runs the server"
            raise StoreError(place, reason)
        if response.status == 416:
            raise OutOfRangeError(place, f"it ends before byte {offset}")
        if response.status == 407:
            raise StoreError(place, str(proxy_cause(_status_line(response))))
        raise self._refused(response, place)

    def _refused(self, response: urllib3.BaseHTTPResponse, place: str) -> StoreError:
        """The error of an answer without a file."""
        reason = f"the server answers {_status_line(response)}"
        reason += self._hint_403 if response.status == 403 else ""
        retryable = response.status in RETRYABLE_STATUS
        after_s = _retry_after_s(response) if retryable else 0
        return StoreError(place, reason, retryable=retryable, after_s=after_s)


def _check(url: str) -> None:
    """Refuses URLs from which nothing can be downloaded, without showing any of them."""
    if host_url(url) is None:
        raise ConfigError("that is not a URL of a server; write https://host/folder/")
    if "@" in url.partition("://")[2].partition("/")[0]:
        # Every message names the URL.
        raise ConfigError(
            "a user or a password in the URL is not taken; name a signed URL, or a bucket"
        )


@contextlib.contextmanager
def _body_errors(place: str) -> Iterator[None]:
    """Turns errors of reading a body into a `StoreError`."""
    try:
        yield
    except urllib3.exceptions.DecodeError as error:
        reason = "the server says that it is compressed, and it cannot be unpacked"
        raise StoreError(place, reason, retryable=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        cause = cause_of(error, "it cannot be read")
        raise StoreError(place, str(cause), retryable=cause.retryable) from error


def _is_rest(response: urllib3.BaseHTTPResponse, offset: int) -> bool:
    """Whether an answer continues a file of ``offset`` bytes, or is the whole file."""
    first = _first_byte(response)
    # Ranges of a compressed file count its compressed bytes.
    return first == 0 or (first == offset and not response.headers.get("Content-Encoding"))


def _first_byte(response: urllib3.BaseHTTPResponse) -> int:
    """The first byte of the file that an answer holds; -1 if the answer does not tell it.

    Some servers send a range with status 200, and some send one that begins sooner.
    """
    if response.status not in (200, 206):
        return 0
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    if match:
        return int(match[1])
    return 0 if response.status == 200 else -1


def _is_compressed(response: urllib3.BaseHTTPResponse, place: str) -> bool:
    """Whether a server compresses, though it was asked not to: unpacked, the file is the same."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding in _PLAIN:
        return False
    if coding in urllib3.HTTPResponse.CONTENT_DECODERS:
        return True
    reason = (
        f"the server compresses it with {escape_unprintable(coding)}; turn that off for the folder"
    )
    raise StoreError(place, reason)


def _status_line(response: urllib3.BaseHTTPResponse) -> str:
    return f"{response.status} {response.reason or ''}".rstrip()


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float:
    """The pause that a server asks for, in whichever form; 0 if it asks for none."""
    try:
        return urllib3.Retry().get_retry_after(response) or 0
    except urllib3.exceptions.InvalidHeader:
        return 0


def _without_pages(blocks: Iterator[bytes], place: str) -> Iterator[bytes]:
    """Refuses a web page in a file's place, which servers send that want people to log in."""
    first = next(blocks, b"")
    if first[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        reason = (
            "a web page comes instead of the file, perhaps of a login; "
            "name the folder that holds index.json itself"
        )
        raise StoreError(place, reason)
    if first:
        yield first
        yield from blocks
