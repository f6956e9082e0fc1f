"""Networks on loopback: servers with certificates of a test authority, and a proxy."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import json
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from texgen.transfer import DownloadRequest, DownloadSummary, download, open_remote

DAY = datetime.timedelta(days=1)
SHARD = "train/train-000001.tar"


def fetched(url: str, out: Path) -> DownloadSummary:
    return download(open_remote(url), DownloadRequest(out), lambda done, total: None)


def begun(finished: Path, out: Path, size: int = 100) -> None:
    """State of a download that was interrupted in the middle of ``SHARD``."""
    folder = out / "_build" / "download"
    (folder / SHARD).parent.mkdir(parents=True)
    (folder / f"{SHARD}.part").write_bytes((finished / SHARD).read_bytes()[:size])
    fingerprint = json.loads((finished / "index.json").read_text())["fingerprint"]
    (folder / "fingerprint").write_text(fingerprint)


class Authority:
    """Authority that signs certificates of servers.

    Attributes:
        file: Path of its own certificate, PEM.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority")])
        self._certificate = self._signed(self._name, self._key.public_key(), authority=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(_pem(self._certificate))

    def context(self, host: str = "127.0.0.1", *, begins_in: int = -1, days: int = 9,
                self_signed: bool = False) -> ssl.SSLContext:  # fmt: skip
        """TLS context of a server of that host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        signer = (name, key) if self_signed else (self._name, self._key)
        begins = datetime.datetime.now(datetime.timezone.utc) + begins_in * DAY
        made = self._signed(name, key.public_key(), host, begins, days, signer)
        file = self._folder / f"{made.serial_number}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(_pem(made) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(self, name: x509.Name, key: ec.EllipticCurvePublicKey, host: str = "",
                begins: datetime.datetime | None = None, days: int = 9,
                signer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None, *,
                authority: bool = False) -> x509.Certificate:  # fmt: skip
        issuer, private = signer or (name, self._key)
        begins = begins or datetime.datetime.now(datetime.timezone.utc) - DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + days * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if host:
            with contextlib.suppress(ValueError):
                named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
                return _sealed(builder, named, private)
            return _sealed(builder, x509.DNSName(host), private)
        return builder.sign(private, hashes.SHA256())


def _sealed(
    builder: x509.CertificateBuilder, named: x509.GeneralName, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    names = x509.SubjectAlternativeName([named])
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class ForwardProxy(ThreadingHTTPServer):
    """A proxy that the environment names and that resolves hosts which only it knows.

    Attributes:
        hosts: Port on loopback by name of the host.
        asked: Every request, as method and URL or host.
        user: ``user:password`` that the proxy requires; None for no password.
        refuses: Status with which it answers every request; None to pass them on.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.hosts: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.user: str | None = None
        self.refuses: int | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"


class _ProxyHandler(BaseHTTPRequestHandler):
    server: ForwardProxy

    def log_message(self, *about: object) -> None:
        pass

    def _may(self) -> bool:
        self.server.asked.append((self.command, self.path))
        if self.server.refuses:
            self.send_error(self.server.refuses)
        elif self.server.user:
            wanted = "Basic " + base64.b64encode(self.server.user.encode()).decode()
            if self.headers.get("Proxy-Authorization") != wanted:
                self.send_error(407)
                return False
        return not self.server.refuses

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._may():
            return
        port = self.server.hosts.get(url.hostname or "", url.port)
        with contextlib.closing(HTTPConnection("127.0.0.1", port)) as upstream:
            target = url.path + (f"?{url.query}" if url.query else "")
            passed = {k: v for k, v in self.headers.items() if not k.startswith("Proxy-")}
            self.server.headers.append(passed)
            # An S3 server takes the first label of a name for a bucket.
            passed["Host"] = f"127.0.0.1:{port}"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream.request(self.command, target, body or None, passed)
            answer = upstream.getresponse()
            data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_HEAD = do_PUT = do_POST = do_GET

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        if not self._may():
            return
        there = self.server.hosts.get(host, int(port))
        with socket.create_connection(("127.0.0.1", there)) as upstream:
            self.send_response_only(200)
            self.end_headers()
            ends = [self.connection, upstream]
            while ready := select.select(ends, [], [], 10)[0]:
                for end in ready:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    ends[end is self.connection].sendall(data)


@contextlib.contextmanager
def proxy() -> Iterator[ForwardProxy]:
    """Runs a proxy while it is open."""
    server = ForwardProxy()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
