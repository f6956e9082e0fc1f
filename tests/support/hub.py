"""A small Hugging Face Hub on loopback, for data sets and Git LFS uploads, with faults.

The real client `huggingface_hub` talks to it. PyPI has no server: the package `hf-local-hub` lacks
the program that it starts. Large files are served by a second address, as the Hub's own content
network does, which refuses requests that carry a token.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.support.proxy import Choose

OWNER, READER, STRANGER = "hf_ownertoken0001", "hf_readertoken0001", "hf_strangertoken1"
"""Tokens: of the user ``lab`` with write access, of the same user without, and of another user."""

USERS = {OWNER: "lab", READER: "lab", STRANGER: "guest"}
LARGE = (".tar", ".parquet", ".png", ".jpg", ".webp")
"""Endings that the Hub's ``.gitattributes`` of a new data set gives to Git LFS."""

STATUSES = {"error": 500, "slow_down": 503, "busy": 429}
BAD_DAY = ("error", "slow_down", "busy", "reset", "lost", "cut")
"""Faults: a status, ``reset`` before the work, ``lost`` after it, ``cut`` half an answer."""


@dataclass
class Repo:
    """A data set's repository; ``commits`` hold the SHA-256 of each file by path."""

    private: bool = False
    gated: str | bool = False
    accepted: set[str] = field(default_factory=set)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    head: str = ""

    def commit(self, files: Mapping[str, str]) -> str:
        number = f"{len(self.commits)} {self.head} {sorted(files.items())}"
        self.head = hashlib.sha1(number.encode()).hexdigest()  # noqa: S324 - as git does
        self.commits[self.head] = dict(files)
        return self.head


class Refusal(Exception):
    """An answer that is not 200: status, the Hub's error code, and its words."""


class Hub:
    """The server's content, and what was asked of it.

    Attributes:
        url: URL for ``HF_ENDPOINT``.
        repos, models: Repositories by id, and ids that are models.
        blobs: Contents by SHA-256.
        choose: Function from method and path to a fault, see `BAD_DAY`.
        asked: Every request to the Hub itself or to its content network, as method and path.
        met: Number of requests by fault.
        sent: Number of uploads by SHA-256.
        served: Bytes that were read, by SHA-256.
        before, halfway: Called with method and path before a request is worked on, and after the
            first half of its answer was sent.
        retry_after: Seconds that a busy answer asks for.
        leaked: Paths of requests to the content network that carried a token.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.models: set[str] = set()
        self.blobs: dict[str, bytes] = {}
        self.choose: Choose = lambda *_: None
        self.asked: list[tuple[str, str]] = []
        self.met: Counter[str | None] = Counter()
        self.sent: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.before: Callable[[str, str], None] = lambda *_: None
        self.halfway: Callable[[str, str], None] = lambda *_: None
        self.leaked: list[str] = []
        self.guard = threading.RLock()
        self.url = self.content_url = ""
        self.retry_after = "0"

    def store(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = data
        return sha256

    def tree(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """Files of a repository, without ``.gitattributes``."""
        repo = self.repos[name]
        files = repo.commits[repo.head if revision == "main" else revision]
        return {p: self.blobs[sha] for p, sha in sorted(files.items()) if p != ".gitattributes"}

    def add(self, name: str, files: Mapping[str, bytes], **about: Any) -> Repo:
        """Adds a repository, or a commit to one."""
        repo = self.repos.setdefault(name, Repo(**about))
        before = repo.commits.get(repo.head) or {".gitattributes": self.store(b"*.tar lfs\n")}
        repo.commit({**before, **{path: self.store(data) for path, data in files.items()}})
        return repo

    def requests(self, method: str, pattern: str) -> int:
        return sum(m == method and re.search(pattern, path) is not None for m, path in self.asked)


class HubServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *about: Any) -> None:
        """Ignores clients that hang up."""


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *about: Any) -> None:
        pass

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self.path, _, query = self.path.partition("?")
            self.query = parse_qs(query)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(self.path)
            with self.hub.guard:
                fault = self.hub.choose(self.command, path)
                self.hub.met[fault] += 1
                self.hub.asked.append((self.command, path))
            self.hub.before(self.command, path)
            if fault == "reset":
                self._reset()
            elif fault in STATUSES:
                more = {"Retry-After": self.hub.retry_after} if fault == "busy" else {}
                self.reply(b'{"error":"a bad day"}', STATUSES[fault], **more)
            else:
                self._answer(path, body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _answer(self, path: str, body: bytes, fault: str | None) -> None:
        self.fault = fault
        try:
            with self.hub.guard:
                data, headers = self.handle_path(path, body)
        except Refusal as refusal:
            status, code, words = refusal.args
            about = {"X-Error-Code": code, "X-Error-Message": words}
            text = json.dumps({"error": words}).encode()
            self.reply(text, status, **{name: text for name, text in about.items() if text})
            return
        if fault == "lost":
            self._reset()
            return
        self.reply(data, int(headers.pop("status", 200)), **headers)

    def handle_path(self, path: str, body: bytes) -> tuple[bytes, dict[str, Any]]:
        raise NotImplementedError

    def reply(self, data: bytes, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", headers.get("length", str(len(data))))
        self.end_headers()
        if self.command == "HEAD":
            return
        if getattr(self, "fault", None) == "cut" and len(data) > 1:
            data = data[: len(data) // 2]
            self.count(data)
            self.wfile.write(data)
            self._reset()
            return
        self.count(data)
        self.wfile.write(data[: len(data) // 2])
        self.hub.halfway(self.command, unquote(self.path))
        self.wfile.write(data[len(data) // 2 :])

    def count(self, data: bytes) -> None:
        """Counts what is read of the content network."""
        if self.command == "GET" and self.path.startswith("/objects/"):
            self.hub.served[self.path.rpartition("/")[2]] += len(data)

    def part(self, data: bytes, **headers: str) -> tuple[bytes, dict[str, Any]]:
        """A file, or the range of it that was asked for."""
        headers["Accept-Ranges"] = "bytes"
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return data, headers
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if first >= len(data):
            raise Refusal(416, "", "range")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return data[first : last + 1], {**headers, "status": 206}

    def _reset(self) -> None:
        # Without lingering, the kernel sends a reset when the socket closes.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
