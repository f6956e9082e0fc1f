"""A proxy in front of an S3 server, which answers some requests with faults of real stores."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# The proxy itself answers these.
STATUSES = {"error": (500, "InternalError"), "slow_down": (503, "SlowDown"),
            "conflict": (409, "ConditionalRequestConflict"), "unknown": (501, "NotImplemented"),
            "denied": (403, "AccessDenied"), "bare": (503, "")}  # fmt: skip
"""Further faults: ``reset`` before the server gets the request, ``lost`` after it did the work;
``slow``; ``cut``, half an upload or half an answer; ``hang``; ``garbled``, an answer of as many
different bytes.
"""

BAD_DAY = ("error", "slow_down", "reset", "lost", "slow", "cut")

Choose = Callable[[str, str], str | None]
"""Function from method and path with query to the name of a fault."""


class Dealt:
    """Deals every fault at an exact rate, in a seeded order: one of each among ``of`` requests."""

    def __init__(self, seed: int, faults: tuple[str, ...] = BAD_DAY, of: int = 20) -> None:
        self._random = random.Random(seed)
        self._cards: list[str | None] = [*faults, *[None] * (of - len(faults))]
        self._deck: list[str | None] = []

    def __call__(self, method: str, path: str) -> str | None:
        if not self._deck:
            self._deck = self._random.sample(self._cards, len(self._cards))
        return self._deck.pop()


def once(fault: str, method: str, pattern: str = "", times: int = 1) -> Choose:
    """Gives the fault to the first requests of that method whose path holds the pattern."""
    left = [times]

    def choose(asked: str, path: str) -> str | None:
        if asked == method and re.search(pattern, path) and left[0]:
            left[0] -= 1
            return fault
        return None

    return choose


class Proxy:
    """The proxy, open while it is used; a context manager.

    Attributes:
        url: URL of the proxy.
        met: Number of requests by fault; None counts requests without a fault.
        asked: Every request, as method and path.
    """

    def __init__(self, upstream: str, choose: Choose = lambda *_: None) -> None:
        self.choose = choose
        self.met: Counter[str | None] = Counter()
        self.asked: list[tuple[str, str]] = []
        self._guard = threading.Lock()
        self._host = urlsplit(upstream).netloc
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, method: str, path: str) -> str | None:
        with self._guard:
            chosen = self.choose(method, path)
            self.met[chosen] += 1
            self.asked.append((method, path))
        return chosen

    def upstream(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, timeout=60)

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *about: Any) -> None:
        """Ignores clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *about: Any) -> None:
        pass

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            fault = self.proxy.fault(self.command, self.path)
            if fault in {"reset", "hang"}:
                time.sleep(2 if fault == "hang" else 0)
                self._reset()
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault in STATUSES:
                self._say(*STATUSES[fault])
            elif fault == "cut" and body:
                self._half_upload(body)
            else:
                self._pass_on(body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _say(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>a bad day</Message></Error>".encode()
        text = text if code and self.command != "HEAD" else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _pass_on(self, body: bytes, fault: str | None) -> None:
        if fault == "slow":
            time.sleep(0.3)
        upstream = self.proxy.upstream()
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, body or None, dict(self._headers()))
            answer = upstream.getresponse()
            data = answer.read()
        if fault == "lost":
            self._reset()
            return
        if fault == "garbled":
            data = bytes(byte ^ 1 for byte in data)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if fault == "cut" and len(data) > 1:
            self.wfile.write(data[: len(data) // 2])
            self._reset()
            return
        self.wfile.write(data)

    def _half_upload(self, body: bytes) -> None:
        upstream = self.proxy.upstream()
        with contextlib.closing(upstream), contextlib.suppress(OSError):
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers():
                upstream.putheader(name, value)
            upstream.endheaders(body[: len(body) // 2])
        self._reset()

    def _headers(self) -> Iterator[tuple[str, str]]:
        for name, value in self.headers.items():
            if name.lower() not in {"expect", "connection"}:
                yield name, value

    def _reset(self) -> None:
        # Without lingering, the kernel sends a reset when the socket closes.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
