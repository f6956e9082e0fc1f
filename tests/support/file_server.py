"""A static file server on loopback with faults that the test chooses."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

Fault = Callable[["Handler", bytes], bool]
"""Answers a request itself and returns True, or returns False."""


class Handler(BaseHTTPRequestHandler):
    """Serves files of one folder, whole or from an offset."""

    server: FileServer

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0]).lstrip("/")
        self.server.asked[path] += 1
        try:
            data = (self.server.root / path).read_bytes()
        except OSError:
            self.send_error(404)
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if not self.server.fault(self, data):
                self.answer(data)

    def begin(self) -> int:
        """First requested byte."""
        asked = self.headers.get("Range", "")
        return int(asked.removeprefix("bytes=").rstrip("-") or 0) if self.server.ranges else 0

    def answer(self, data: bytes, *, length: int | None = None) -> None:
        """Sends ``data`` from the requested byte, and declares ``length`` bytes."""
        first = self.begin()
        if first >= max(1, len(data)):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        said = len(data) - first if length is None else length
        self.send_header("Content-Length", str(said))
        self.end_headers()
        self.wfile.write(data[first:])

    def log_message(self, *_: object) -> None:
        """Logs nothing: the test states its expectations."""


class FileServer(ThreadingHTTPServer):
    """Server of `serving`."""

    daemon_threads = True

    def __init__(
        self, root: Path, fault: Fault, *, ranges: bool, tls: ssl.SSLContext | None, host: str
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.root, self.fault, self.ranges = root, fault, ranges
        self.asked: Counter[str] = Counter()
        scheme, host = "https" if tls else "http", f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{host}:{self.server_port}"
        if tls:
            # The handshake is not in `accept`, where a client without TLS would block all others.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, *about: object) -> None:
        """Ignores clients that hang up."""


@contextlib.contextmanager
def serving(
    root: Path,
    fault: Fault = lambda handler, data: False,
    *,
    ranges: bool = True,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[FileServer]:
    """Serves ``root`` while it is open."""
    server = FileServer(root, fault, ranges=ranges, tls=tls, host=host)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
