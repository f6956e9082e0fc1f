"""`texgen download` from servers with unusual answers, and from URLs of all kinds."""

from __future__ import annotations

import gzip
import shutil
import threading
import time
from email.utils import formatdate

import pytest

from tests.conftest import tree
from tests.support.file_server import Handler, serving
from tests.support.networks import SHARD, begun, fetched
from texgen.cli.main import run
from texgen.transfer import open_remote
from texgen.transfer.fetch import RemoteError

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_server_that_compresses_gives_the_same_files(finished, tmp_path):
    ranges = []

    def squeezed(handler: Handler, data: bytes) -> bool:
        packed = gzip.compress(data)
        first = handler.begin()
        ranges.append(first)
        # nginx's gzip and some stores send ranges of the compressed bytes.
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(packed) - 1}/{len(packed)}")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(packed) - first))
        handler.end_headers()
        handler.wfile.write(packed[first:])
        return True

    out = tmp_path / "out"
    begun(finished, out)
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
    begun(finished, out)
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
def test_a_server_that_asks_for_patience_gets_it(status, form, finished, tmp_path, no_settings):
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
    assert len(no_settings) == 1
    assert (no_settings[0] >= 7) == (form != "nonsense")


def test_a_server_that_asks_for_an_hour_is_left(finished, tmp_path, no_settings):
    def busy(handler: Handler, data: bytes) -> bool:
        handler.send_response(429)
        handler.send_header("Retry-After", "3600")
        handler.end_headers()
        return True

    with (
        serving(finished, busy) as server,
        pytest.raises(RemoteError, match="429 Too Many Requests, and asks to retry after 3600"),
    ):
        fetched(server.url, tmp_path / "out")
    assert not no_settings


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


def test_a_url_that_is_signed_for_one_object_only_is_explained(finished, tmp_path):
    def signed(handler: Handler, data: bytes) -> bool:
        return not handler.path.startswith("/index.json") and (handler.send_error(403) or True)

    with (
        serving(finished, signed) as server,
        pytest.raises(
            RemoteError, match="403 Forbidden; a URL that is signed for one object opens no other"
        ),
    ):
        fetched(f"{server.url}/index.json?X-Amz-Signature=sesame", tmp_path / "out")


def test_a_host_that_no_name_server_knows_is_named(tmp_path):
    with pytest.raises(RemoteError, match=r"index\.json: its name is not known here; check the na"):
        fetched("http://nohost.invalid/x", tmp_path / "out")
