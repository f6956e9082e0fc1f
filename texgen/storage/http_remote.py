"""A static file server, as a place to download from."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote

import urllib3

from texgen.core.errors import ConfigError
from texgen.core.text import escape_unprintable
from texgen.storage.network.causes import of_proxy
from texgen.storage.network.proxies import shown
from texgen.storage.network.requests import Answer, NoAnswerError, Web
from texgen.storage.remote import BLOCK, Body, RemoteError, cut_off
from texgen.storage.remote_errors import guarded

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "texgen"}
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<script", b"<!--")

_RANGE = re.compile(r"bytes (\d{1,18})-")
_PLAIN = {"", "identity", "aws-chunked"}
"""The last is what some stores keep of how a file was uploaded to them."""

_ONE_OBJECT = {"X-Amz-Signature", "X-Goog-Signature"}
"""Parameters of URLs that are signed for one object alone."""

_NO_OTHER = (
    "; a URL that is signed for one object opens no other: name s3://bucket/prefix, or a URL whose "
    "signature holds for the folder"
)


class HttpRemote:
    """A static file server.

    Args:
        url: Of the folder that holds ``index.json``.
        timeout_s: Silence after which a connection counts as dead, s.

    Raises:
        ConfigError: If nothing can be downloaded from such a URL.
    """

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        base, mark, query = url.partition("#")[0].partition("?")
        _check(url)
        # What follows "?" is that of a signed URL, and goes with every file.
        self._base = base.rstrip("/") + "/"
        self._query = mark + query
        self._on_403 = "" if _ONE_OBJECT.isdisjoint(parse_qs(query)) else _NO_OTHER
        self._web = Web(timeout_s)

    def place(self, path: str) -> str:
        """See `Remote.place`."""
        # Without what follows "?".
        return self._base + path

    @contextlib.contextmanager
    def fetch(self, path: str, offset: int = 0) -> Iterator[Body]:
        """See `Remote.fetch`."""
        answer = self._asked(path, offset)
        if not _is_rest(answer.response, offset):
            answer.response.close()
            answer = self._asked(path, 0)
        response, name = answer.response, self.place(path) + answer.trail
        try:
            first = _begin(response, offset, name, self._on_403)
            packed = _is_packed(response, name)
            blocks = guarded(response.stream(BLOCK, decode_content=packed), name)
            yield Body(first, _no_page(blocks, name) if first == 0 else blocks)
        finally:
            # A connection whose body was read to its end goes back to the pool.
            response.drain_conn() if response.length_remaining == 0 else response.close()
            response.release_conn()

    def _asked(self, path: str, offset: int) -> Answer:
        url = self._base + quote(path) + self._query
        headers = {**_HEADERS, **({"Range": f"bytes={offset}-"} if offset else {})}
        try:
            return self._web.get(url, headers)
        except NoAnswerError as error:
            message = f"{self.place(path)}{error.trail}: {error.why}"
            raise RemoteError(message, again=error.passing) from error


def _check(url: str) -> None:
    """Refuses URLs from which nothing can be downloaded, without a word of what they hold."""
    if shown(url) is None:
        message = "that is not a URL of a server; write https://host/folder/"
        raise ConfigError(message)
    if "@" in url.partition("://")[2].partition("/")[0]:
        # Every message names the URL.
        message = "a user or a password in the URL is not taken; name a signed URL, or a bucket"
        raise ConfigError(message)


def _is_rest(response: urllib3.BaseHTTPResponse, offset: int) -> bool:
    """Whether an answer is of use to who has ``offset`` bytes; False for another part of a file."""
    first = _first_byte(response)
    # The bytes of what a server compresses are counted as they are compressed.
    return first == 0 or (first == offset and not response.headers.get("Content-Encoding"))


def _first_byte(response: urllib3.BaseHTTPResponse) -> int:
    """The byte of a file that an answer begins with, whatever its status says; -1 if it is unsaid.

    Some servers send a part with status 200, some send one that begins sooner.
    """
    if response.status not in (200, 206):
        return 0
    said = _RANGE.match(response.headers.get("Content-Range", ""))
    if said:
        return int(said[1])
    return 0 if response.status == 200 else -1


def _is_packed(response: urllib3.BaseHTTPResponse, name: str) -> bool:
    """Whether a server compresses, which it was asked not to: unpacked, it is the same file."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding in _PLAIN:
        return False
    if coding in urllib3.HTTPResponse.CONTENT_DECODERS:
        return True
    how = escape_unprintable(coding)
    message = f"{name}: the server compresses it with {how}; turn that off for the folder"
    raise RemoteError(message, again=False)


def _begin(response: urllib3.BaseHTTPResponse, offset: int, name: str, on_403: str) -> int:
    """The byte that an answer begins with."""
    if response.status in (200, 206):
        first = _first_byte(response)
        if first in (0, offset):
            return first
        message = f"{name}: asked for all of it, a part comes; tell whoever runs the server"
        raise RemoteError(message, again=False)
    if response.status == 416:
        raise cut_off(name, offset)
    said = f"{response.status} {response.reason or ''}".rstrip()
    if response.status == 407:
        message = f"{name}: {of_proxy(said)}"
        raise RemoteError(message, again=False)
    message = f"{name}: the server answers {said}" + (on_403 if response.status == 403 else "")
    again = response.status in _RETRYABLE
    raise RemoteError(message, again=again, after_s=_patience_s(response) if again else 0)


def _patience_s(response: urllib3.BaseHTTPResponse) -> float:
    """How long a server asks to be left alone, in whichever form."""
    try:
        return urllib3.Retry().get_retry_after(response) or 0
    except urllib3.exceptions.InvalidHeader:
        return 0


def _no_page(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Refuses a web page in a file's place, as servers send it that want people to log in."""
    first = next(blocks, b"")
    if first[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        message = (
            f"{name}: a web page comes instead of the file, perhaps of a login; "
            "name the folder that holds index.json itself"
        )
        raise RemoteError(message, again=False)
    if first:
        yield first
        yield from blocks
