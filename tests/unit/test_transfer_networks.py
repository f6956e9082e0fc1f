"""`texgen download` over networks as strangers have them: redirects, proxies, certificates."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.unit.file_server import Handler, serving
from tests.unit.networks import Authority, ForwardProxy, proxy
from texgen.cli.main import run
from texgen.errors import ConfigError
from texgen.network import web
from texgen.network.proxies import proxy_for
from texgen.transfer import DownloadRequest, DownloadSummary, download, open_remote
from texgen.transfer.remote import RemoteError

SHARD = "train/train-000001.tar"


def fetched(url: str, out: Path) -> DownloadSummary:
    return download(open_remote(url), DownloadRequest(out), lambda done, total: None)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No settings of networks, and no pauses: those that were asked for."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE") or "SSL_CERT" in name:
            monkeypatch.delenv(name)
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


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
    part = out / "_build/download" / f"{SHARD}.part"

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
        (out / "index.json").unlink()
        part.parent.mkdir(parents=True)
        (out / SHARD).rename(part)
        part.write_bytes(part.read_bytes()[:700])
        (out / "_build/download/fingerprint").write_bytes(fingerprint(finished))
        fetched(server.url, out)
    assert tree(out) == tree(finished)
    assert ranges == [(None, "key=1"), ("bytes=700-", "key=1")]


def fingerprint(finished: Path) -> bytes:
    return str(json.loads((finished / "index.json").read_text())["fingerprint"]).encode()


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
def test_what_is_wrong_with_a_certificate_is_said(kind, finished, tmp_path, monkeypatch):
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
def test_a_file_of_authorities_is_trusted_or_what_is_wrong_with_it_is_said(
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


def test_https_and_http_that_are_mixed_up_are_told(finished, tmp_path):
    with serving(finished) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(RemoteError, match="it does not speak https; write http://"):
            fetched(url, tmp_path / "out")
    with serving(finished, tls=Authority(tmp_path).context()) as server:
        url = server.url.replace("https:", "http:")
        with pytest.raises(RemoteError, match=r"it speaks https; write https://|connection broke"):
            fetched(url, tmp_path / "out")


def test_a_server_that_says_nothing_to_tls_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "_CONNECT_S", 0.2)
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
    # As many write it, without a scheme.
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


# Answers.


def test_a_server_that_compresses_gives_the_same_files(finished, tmp_path):
    ranges = []

    def squeezed(handler: Handler, data: bytes) -> bool:
        packed = gzip.compress(data)
        first = handler.begin()
        ranges.append(first)
        # As nginx's gzip and some stores do it: ranges of what is compressed.
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(packed) - 1}/{len(packed)}")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed) - first))
        handler.end_headers()
        handler.wfile.write(packed[first:])
        return True

    out = tmp_path / "out"
    part = out / "_build/download" / f"{SHARD}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes((finished / SHARD).read_bytes()[:100])
    (out / "_build/download/fingerprint").write_bytes(fingerprint(finished))
    with serving(finished, squeezed) as server:
        fetched(server.url, out)
    assert tree(out) == tree(finished)
    assert 100 in ranges


def test_an_encoding_that_is_none_is_named(finished, tmp_path):
    def lying(handler: Handler, data: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(data)
        return True

    with (
        serving(finished, lying) as server,
        pytest.raises(RemoteError, match="says that it is compressed, and it cannot be unpacked"),
    ):
        fetched(server.url, tmp_path / "out")


@pytest.mark.parametrize("which", ["index.json", SHARD])
def test_a_page_of_a_login_in_a_files_place_is_named(which, finished, tmp_path):
    def login(handler: Handler, data: bytes) -> bool:
        if handler.path != f"/{which}":
            return False
        handler.answer(b"\n <!DOCTYPE html><title>Please log in</title>" + bytes(100_000))
        return True

    with (
        serving(finished, login) as server,
        pytest.raises(RemoteError, match=f"{which}: a web page comes instead of the file"),
    ):
        fetched(server.url, tmp_path / "out")


RANGES = {
    "all of it": (206, lambda first: 0),
    "a part, as if it were all": (200, lambda first: first),
    "sooner": (206, lambda first: first - 50),
    "later": (206, lambda first: first + 1),
    "unsaid": (206, None),
}


@pytest.mark.parametrize("kind", RANGES)
def test_a_server_that_answers_a_range_in_its_own_way_is_taken(kind, finished, tmp_path):
    status, begins = RANGES[kind]

    def own_way(handler: Handler, data: bytes) -> bool:
        if not handler.begin():
            return False
        first = begins(handler.begin()) if begins else 3
        handler.send_response(status)
        if begins:
            handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - first))
        handler.end_headers()
        handler.wfile.write(data[first:])
        return True

    out = tmp_path / "out"
    part = out / "_build/download" / f"{SHARD}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes((finished / SHARD).read_bytes()[:100])
    (out / "_build/download/fingerprint").write_bytes(fingerprint(finished))
    with serving(finished, own_way) as server:
        fetched(server.url, out)
        # What there is of it was not thrown away for nothing.
        assert server.asked[SHARD] == (1 if kind.startswith("a") else 2)
    assert tree(out) == tree(finished)


@pytest.mark.parametrize("coding", ["exi", "compress", "x\x1b[2J", "aws-chunked", "identity"])
def test_a_compression_that_is_not_known_here_is_named(coding, finished, tmp_path):
    def marked(handler: Handler, data: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Encoding", coding)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        return True

    with serving(finished, marked) as server:
        if coding in ("aws-chunked", "identity"):
            fetched(server.url, tmp_path / "out")
            return
        with pytest.raises(RemoteError, match=r"compresses it with .*; turn that off") as caught:
            fetched(server.url, tmp_path / "out")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date", "nonsense"])
def test_a_server_that_asks_for_patience_gets_it(status, form, finished, tmp_path, bare):
    after = {"seconds": "7", "date": formatdate(time.time() + 9, usegmt=True), "nonsense": "soon"}
    asked = threading.Event()

    def busy(handler: Handler, data: bytes) -> bool:
        if handler.path != f"/{SHARD}" or asked.is_set():
            return False
        asked.set()
        handler.send_response(status)
        handler.send_header("Retry-After", after[form])
        handler.end_headers()
        return True

    with serving(finished, busy) as server:
        fetched(server.url, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(finished)
    assert len(bare) == 1
    assert (bare[0] >= 7) == (form != "nonsense")


def test_a_server_that_asks_for_an_hour_is_left(finished, tmp_path, bare):
    def busy(handler: Handler, data: bytes) -> bool:
        handler.send_response(429)
        handler.send_header("Retry-After", "3600")
        handler.end_headers()
        return True

    with (
        serving(finished, busy) as server,
        pytest.raises(RemoteError, match="429 Too Many Requests, and asks to come back after 3600"),
    ):
        fetched(server.url, tmp_path / "out")
    assert not bare


# URLs.


def test_the_url_of_an_index_is_that_of_its_folder(finished, tmp_path):
    with serving(finished) as server:
        urls = [f"{server.url}/index.json", f"{server.url}/index.json?sig=a%2Bb&x=1",
                f"file://{finished}/index.json", f"{finished}/index.json"]  # fmt: skip
        for number, url in enumerate(urls):
            fetched(url, tmp_path / str(number))
            assert tree(tmp_path / str(number)) == tree(finished)
    assert open_remote("s3://bucket/set/index.json").place("a") == "s3://bucket/set/a"


@pytest.mark.parametrize("written", ["a b/100%25/été", "a%20b/100%25/%C3%A9t%C3%A9"])
def test_blanks_percent_signs_and_letters_of_all_kinds_in_urls(written, finished, tmp_path):
    place = tmp_path / "www" / "a b" / "100%" / "été"
    shutil.copytree(finished, place)
    with serving(tmp_path / "www") as server:
        fetched(f"{server.url}/{written}", tmp_path / "out")
    fetched(f"file://{tmp_path}/www/{written}#top", tmp_path / "out2")
    assert tree(tmp_path / "out") == tree(tmp_path / "out2") == tree(finished)


def test_ipv6(finished, tmp_path):
    try:
        with serving(finished, host="::1") as server:
            fetched(server.url, tmp_path / "out")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert tree(tmp_path / "out") == tree(finished)


REFUSED = {
    "http://[::1/x": "not a URL of a server",
    "http://host:port/x": "not a URL of a server",
    "https:///x": "not a URL of a server",
    "http://me:sesame@host/x": "a user or a password in the URL is not taken",
    "file://elsewhere/x": "is on another machine",
    "gs://bucket/x": "gs:// is not known here",
}  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_urls_from_which_nothing_can_come_are_refused(url, tmp_path, capsys):
    assert run(["download", url, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert REFUSED[url] in said
    assert "sesame" not in said
    assert said.count("\n") == 1


def test_a_url_that_is_signed_for_one_object_is_told_when_it_opens_no_other(finished, tmp_path):
    def signed(handler: Handler, data: bytes) -> bool:
        return not handler.path.startswith("/index.json") and (handler.send_error(403) or True)

    with (
        serving(finished, signed) as server,
        pytest.raises(
            RemoteError, match="403 Forbidden; a URL that is signed for one object opens no other"
        ),
    ):
        fetched(f"{server.url}/index.json?X-Amz-Signature=sesame", tmp_path / "out")


def test_a_host_that_no_name_server_knows_is_said(tmp_path):
    with pytest.raises(RemoteError, match=r"index\.json: its name is not known here; check the na"):
        fetched("http://nohost.invalid/x", tmp_path / "out")
