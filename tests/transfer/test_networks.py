"""`texgen download` over networks with redirects, proxies and certificates."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import tree
from tests.support.file_server import Handler, serving
from tests.support.networks import SHARD, Authority, ForwardProxy, begun, fetched, proxy
from texgen.cli.main import run
from texgen.core.errors import ConfigError
from texgen.storage.network import requests
from texgen.storage.network.proxies import proxy_for
from texgen.transfer.fetch import RemoteError

pytestmark = pytest.mark.usefixtures("no_settings")


def sent_on(status: int, to: Callable[[Handler], str]) -> Callable[[Handler, bytes], bool]:
    def fault(handler: Handler, data: bytes) -> bool:
        handler.send_response(status)
        handler.send_header("Location", to(handler))
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed_with_the_range(status, finished, tmp_path):
    ranges, out = [], tmp_path / "out"

    def seen(handler: Handler, data: bytes) -> bool:
        if handler.path.startswith(f"/{SHARD}"):
            ranges.append((handler.headers.get("Range"), handler.path.partition("?")[2]))
        return False

    with (
        serving(finished, seen) as cdn,
        serving(finished, sent_on(status, lambda h: f"{cdn.url}{h.path}?key=1")) as server,
    ):
        fetched(server.url, out)
        assert tree(out) == tree(finished)
        for path in ("index.json", SHARD):
            (out / path).unlink()
        begun(finished, out, 700)
        fetched(server.url, out)
    assert tree(out) == tree(finished)
    assert ranges == [(None, "key=1"), ("bytes=700-", "key=1")]


def test_a_relative_redirect_is_one_on_the_same_server(finished, tmp_path):
    def fault(handler: Handler, data: bytes) -> bool:
        if handler.path.startswith("/real/"):
            return False
        return sent_on(302, lambda h: f"real{h.path}")(handler, data)

    copy = tmp_path / "www"
    shutil.copytree(finished, copy)
    shutil.copytree(finished, copy / "real")
    shutil.copytree(finished / "train", copy / "train" / "real" / "train")
    shutil.copytree(finished / "val", copy / "val" / "real" / "val")
    shutil.copytree(finished / "manifest", copy / "manifest" / "real" / "manifest")

    def twice(handler: Handler, data: bytes) -> bool:
        return "real/" not in handler.path and fault(handler, data)

    with serving(copy, twice) as server:
        fetched(server.url, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(finished)


def test_no_header_and_no_query_travels_to_another_host(finished, tmp_path):
    heard: list[tuple[str, dict[str, str]]] = []

    def seen(handler: Handler, data: bytes) -> bool:
        heard.append((handler.path, dict(handler.headers)))
        return False

    with serving(finished, seen) as cdn:
        named = cdn.url.replace("://", "://me:sesame@")
        with serving(finished, sent_on(302, lambda h: named + h.path.partition("?")[0])) as server:
            fetched(f"{server.url}/?token=secret", tmp_path / "out")
    assert not [path for path, _ in heard if "secret" in path]
    assert {name for _, headers in heard for name in headers} == {
        "Host", "Accept-Encoding", "User-Agent",
    }  # fmt: skip


LOOPS = {
    "loop": (lambda h: h.path, r"redirects do not end, after 10 of them"),
    "file": (lambda h: "file:///etc/passwd", "sends on to file://, which is not followed"),
    "nowhere": (lambda h: "https:///x", "sends on to https://, which is not followed"),
    "broken": (lambda h: "http://[::1", "sends on to what is not a URL, which is not followed"),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_redirects_that_lead_nowhere_are_one_line(kind, finished, tmp_path, capsys):
    to, said = LOOPS[kind]
    with serving(finished, sent_on(302, to)) as server:
        with pytest.raises(RemoteError, match=said):
            fetched(server.url, tmp_path / "out")
        assert run(["download", server.url, "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_http_may_become_https_and_https_never_http(finished, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with serving(finished, tls=authority.context()) as safe:
        with serving(finished, sent_on(301, lambda h: safe.url + h.path)) as server:
            fetched(server.url, tmp_path / "out")
        assert tree(tmp_path / "out") == tree(finished)
    with (
        serving(finished) as open_,
        serving(finished, sent_on(301, lambda h: open_.url + h.path), tls=authority.context()) as s,
        pytest.raises(RemoteError, match=r"sends on from https:// to http://127\.0\.0\.1:"),
    ):
        fetched(s.url, tmp_path / "other")
    assert not open_.asked


# Certificates.

CERTIFICATES = {
    "unknown": (
        {},
        "its certificate is of an authority that is not trusted here; name .* in SSL_CERT_FILE",
    ),
    "self-signed": ({"self_signed": True}, "its certificate is self-signed; name"),
    "expired": ({"begins_in": -9, "days": 3}, "its certificate has expired; set this machine's"),
    "early": ({"begins_in": 2}, "its certificate is not valid yet; set this machine's clock"),
    "other host": ({"host": "elsewhere.example"}, "its certificate is another host's; name"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_the_problem_of_a_certificate_is_named(kind, finished, tmp_path, monkeypatch):
    about, said = CERTIFICATES[kind]
    authority = Authority(tmp_path)
    if kind not in ("unknown", "self-signed"):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with (
        serving(finished, tls=authority.context(**about)) as server,
        pytest.raises(RemoteError, match=rf"{server.url}/index\.json: {said}"),
    ):
        fetched(server.url, tmp_path / "out")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_file_of_authorities_is_trusted_or_its_problem_is_named(
    name, finished, tmp_path, monkeypatch
):
    authority = Authority(tmp_path)
    with serving(finished, tls=authority.context()) as server:
        monkeypatch.setenv(name, str(authority.file))
        fetched(server.url, tmp_path / "out")
        for bundle, why in (
            (tmp_path / "nope.pem", "is not there"),
            (finished / "index.json", "holds no certificates in PEM form"),
            (tmp_path, "cannot be read|holds no certificates"),
        ):
            monkeypatch.setenv(name, str(bundle))
            with pytest.raises(ConfigError, match=rf"{name} names {bundle}, which ({why})"):
                fetched(server.url, tmp_path / "out")
    other = Authority(tmp_path / "out")
    monkeypatch.setenv(name, str(other.file))
    with (
        serving(finished, tls=authority.context()) as server,
        pytest.raises(RemoteError, match=f"add that authority to {other.file}, which {name} names"),
    ):
        fetched(server.url, tmp_path / "out")


def test_https_and_http_that_are_mixed_up_are_named(finished, tmp_path):
    with serving(finished) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(RemoteError, match="it does not speak https; write http://"):
            fetched(url, tmp_path / "out")
    with serving(finished, tls=Authority(tmp_path).context()) as server:
        url = server.url.replace("https:", "http:")
        with pytest.raises(RemoteError, match=r"it speaks https; write https://|connection broke"):
            fetched(url, tmp_path / "out")


def test_a_server_that_says_nothing_to_tls_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "_CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RemoteError, match=r"index\.json: no (connection|answer) in time"):
            fetched(url, tmp_path / "out")


# Proxies.


@pytest.fixture
def through() -> Iterator[ForwardProxy]:
    with proxy() as server:
        yield server


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("HTTP_PROXY", "http"),
        ("http_proxy", "http"),
        ("ALL_PROXY", "http"),
        ("HTTPS_PROXY", "https"),
        ("https_proxy", "https"),
        ("all_proxy", "https"),
    ],
)
def test_the_environments_proxy_is_gone_through(
    name, scheme, finished, tmp_path, through, monkeypatch
):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    through.user = "me:ses/ame"
    written = through.url.replace("://", "://me:ses%2Fame@")
    # Many users write it without a scheme.
    monkeypatch.setenv(name, written if name.isupper() else written.removeprefix("http://"))
    tls = authority.context("data.invalid") if scheme == "https" else None
    with serving(finished, tls=tls) as server:
        through.hosts["data.invalid"] = server.server_port
        fetched(f"{scheme}://data.invalid/", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(finished)
    assert {method for method, _ in through.asked} == {"CONNECT" if scheme == "https" else "GET"}
    assert not [head for head in through.headers if "Authorization" in head]


@pytest.mark.parametrize(
    "direct",
    ["*", "127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "127.0.0.1:PORT", ".invalid,127.0.0.1", "host"],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_hosts_of_no_proxy_are_asked_themselves(
    direct, name, finished, tmp_path, through, monkeypatch
):
    monkeypatch.setenv("http_proxy", through.url)
    with serving(finished) as server:
        monkeypatch.setenv(name, direct.replace("PORT", str(server.server_port)))
        fetched(server.url, tmp_path / "out")
    assert bool(through.asked) == (direct == "host")


@pytest.mark.parametrize(
    ("url", "names", "goes"),
    [
        ("http://a.data.example/", ".data.example", False),
        ("http://a.data.example/", "data.example", False),
        ("http://a.data.example/", "*.data.example", False),
        ("http://nodata.example/", "data.example", True),
        ("http://data.example:81/", "data.example:80", True),
        ("http://[fd00::7]/", "fd00::/8", False),
        ("http://[fd00::7]/", "10.0.0.0/8", True),
        ("ftp://data.example/", "", False),
    ],
)
def test_no_proxy_names_domains_ports_and_networks(url, names, goes, monkeypatch):
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", names)
    assert proxy_for(url) == ("http://proxy.example:3128" if goes else None)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_or_is_down_is_named(scheme, tmp_path, through, monkeypatch):
    monkeypatch.setenv(f"{scheme}_proxy", through.url.replace("://", "://me:sesame@"))
    url, via = f"{scheme}://data.invalid/x", f", through the proxy {through.url}: "
    through.user = "me:other"
    with pytest.raises(RemoteError, match=f"{via}the proxy wants a user and a password") as caught:
        fetched(url, tmp_path / "out")
    assert "sesame" not in str(caught.value)
    through.refuses = 403
    with pytest.raises(RemoteError, match=f"{via}the (proxy|server) answers 403 Forbidden"):
        fetched(url, tmp_path / "out")
    through.shutdown()
    through.server_close()
    with pytest.raises(RemoteError, match=f"{via}the proxy cannot be used: Connection refused"):
        fetched(url, tmp_path / "out")
    monkeypatch.setenv(f"{scheme}_proxy", "http://proxy.invalid:3128")
    with pytest.raises(RemoteError, match="the proxy cannot be used: its name is not known here"):
        fetched(url, tmp_path / "out")
    for wrong in ("socks5://127.0.0.1:1080", "http://"):
        monkeypatch.setenv(f"{scheme}_proxy", wrong)
        with pytest.raises(ConfigError, match=f"{scheme}_proxy"):
            fetched(url, tmp_path / "out")
