"""What a stranger meets between this machine and the Hub, as one line that says what to type."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.file_server import serving
from tests.support.proxy import once
from tests.transfer.test_hub import NAME, URL, download, publish
from texgen.cli.main import run

NAMES = {
    "hf://lab/textures": "does not name a data set on the Hub; write hf://datasets/lab/textures",
    "hf://datasets/textures": "or of the data set, is missing; write hf://datasets/USER/NAME",
    "hf://datasets": "or of the data set, is missing; write hf://datasets/USER/NAME",
    "hf://": "does not name a data set on the Hub; write hf://datasets/USER/NAME",
    "hf://datasets/lab/textures/train": "folders inside a data set cannot be named",
    "hf://datasets/lab/tex--tures": "'lab/tex--tures' is not a valid name",
    "hf://datasets/lab/tex tures": "'lab/tex tures' is not a valid name",
    "hf://datasets/lab/textures.git": "is not a valid name",
    "hf://models/lab/textures": "reads and writes data sets only; write hf://datasets/USER/NAME",
    "hf://spaces/lab/textures": "reads and writes data sets only",
    "hf://datasets/lab/textures@": "'' is not a valid revision; write a branch, tag or commit",
    "hf://datasets/lab/textures@a b": "'a b' is not a valid revision",
    "hf:/datasets/lab/textures": "a URL has two slashes after the colon",
}


@pytest.mark.parametrize("url", NAMES)
def test_a_name_that_is_none_is_explained(url, finished, tmp_path, capsys):
    for line in (["publish", str(finished), url, "--license", "mit"],
                 ["download", url, "--out", str(tmp_path / "out")]):  # fmt: skip
        assert run(line) == 2
        error = capsys.readouterr().err
        assert NAMES[url] in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("host", ["https://huggingface.co", "https://www.hf.co", "http://hf.co"])
@pytest.mark.parametrize("page", ["", "/", "/tree/main", "/blob/main/index.json", "?row=1"])
def test_the_url_of_a_page_is_no_data_set(host, page, finished, tmp_path, capsys):
    url = f"{host}/datasets/lab/textures{page}"
    for line in (["publish", str(finished), url],
                 ["download", url, "--out", str(tmp_path / "out")]):  # fmt: skip
        assert run(line) == 2
        hint = "a page for browsers; write hf://datasets/lab/textures\n"
        assert hint in capsys.readouterr().err


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on standard error."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def both(finished: Path, folder: Path) -> Iterator[int]:
    """Exit codes of a publication and of a download, one after the other."""
    yield publish(finished)
    yield download(folder / "out")


def test_a_model_is_no_data_set_but_may_share_its_name(hub, finished, tmp_path, capsys):
    hub.models.add(NAME)
    assert download(tmp_path / "out") == 1
    assert "that is a model, not a data set" in line_of(capsys)
    assert publish(finished) == 0
    assert download(tmp_path / "out") == 0


def test_a_revision_that_is_missing_is_named(hub, finished, tmp_path, capsys):
    publish(finished)
    capsys.readouterr()
    assert download(tmp_path / "out", url=f"{URL}@v9") == 1
    assert f"{URL}@v9: it has no such revision; write a branch, tag or commit" in line_of(capsys)
    assert publish(finished, url=f"{URL}@v9") == 2
    assert "publish writes to the branch main; leave out @v9" in line_of(capsys)


def test_a_repository_without_a_data_set_is_named(hub, tmp_path, capsys):
    hub.add(NAME, {"data.csv": b"1,2"})
    assert download(tmp_path / "out") == 1
    assert f"{URL}/index.json: it is not there; no texgen data set is published" in line_of(capsys)


def test_an_offline_mode_is_named(hub, finished, tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for ended in both(finished, tmp_path):
        assert ended == 2
        assert "HF_HUB_OFFLINE is set, so that nothing is asked" in line_of(capsys)


def test_a_missing_package_is_named(hub, finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for ended in both(finished, tmp_path):
        assert ended == 2
        assert "run `pip install 'texgen-shards[hub]'`" in line_of(capsys)


ENDPOINTS = {
    "http://127.0.0.1:1": (1, r"at http://127\.0\.0\.1:1: Connection refused, nothing listens"),
    "http://no-such-host.invalid": (1, "its name is not known here; check the name"),
    "huggingface.co": (2, "HF_ENDPOINT is not a URL such as https://host:port"),
    "ftp://host": (2, "HF_ENDPOINT is not a URL such as https://host:port"),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_that_is_none_is_named(endpoint, hub, finished, tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    code, said = ENDPOINTS[endpoint]
    for ended in both(finished, tmp_path):
        assert ended == code
        assert re.search(said, line_of(capsys))


def test_a_server_that_does_not_speak_tls_is_named(hub, finished, tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.url.replace("http://", "https://"))
    for ended in both(finished, tmp_path):
        assert ended == 1
        assert "it does not speak https; write http:// if that is meant" in line_of(capsys)


PROXIES = {
    "http://127.0.0.1:1": (1, "through the proxy http://127.0.0.1:1: "),
    "socks5://127.0.0.1:1": (2, "texgen knows http:// proxies only"),
    "http://": (2, "http_proxy does not name a proxy"),
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_cannot_be_used_is_named(proxy, hub, finished, tmp_path, monkeypatch, capsys):
    from huggingface_hub.utils import close_session

    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", proxy)
    close_session()
    code, said = PROXIES[proxy]
    for ended in both(finished, tmp_path):
        assert ended == code
        assert said in line_of(capsys)


@pytest.mark.parametrize("status", ["error", "slow_down", "busy"])
def test_a_hub_that_fails_for_good_is_one_line(status, hub, finished, tmp_path, capsys):
    hub.add(NAME, {})
    hub.choose = once(status, "GET", f"/api/datasets/{NAME}", times=999)
    for ended in both(finished, tmp_path):
        assert ended == 1
        assert "try again later" in line_of(capsys)


@pytest.mark.parametrize("pattern", ["/commit/", "/preupload/", "/objects/", "/objects/batch"])
@pytest.mark.parametrize("fault", ["reset", "error"])
def test_an_upload_that_fails_for_good_is_one_line_and_resumes(
    pattern, fault, hub, finished, capsys
):
    method = "PUT" if pattern == "/objects/" else "POST"
    hub.choose = once(fault, method, pattern, times=999)
    assert publish(finished) == 1
    error = line_of(capsys)
    assert f"cannot write {URL}" in error
    assert "unexpected" not in error
    hub.choose = lambda *_: None
    assert publish(finished) == 0
    assert tree(finished).items() <= hub.tree(NAME).items()


def test_a_rate_limit_is_waited_for(hub, finished, tmp_path, no_settings):
    hub.retry_after = "17"
    hub.choose = once("busy", "POST", "/commit/")
    assert publish(finished) == 0
    assert max(no_settings) >= 17
    hub.choose = once("busy", "GET", "/resolve/")
    no_settings.clear()
    assert download(tmp_path / "out") == 0
    assert max(no_settings) >= 17


def test_a_rate_limit_of_an_hour_is_left_to_the_user(hub, finished, tmp_path, no_settings, capsys):
    hub.add(NAME, {})
    hub.retry_after = "3600"
    hub.choose = once("busy", "GET", f"/api/datasets/{NAME}", times=999)
    for ended in both(finished, tmp_path):
        assert ended == 1
        assert "rate limit is reached (429)" in (error := line_of(capsys))
        assert "3600 s" in error
    assert max(no_settings, default=0) < 3600


def test_a_license_is_asked_for_and_never_guessed(hub, finished, capsys):
    assert run(["publish", str(finished), URL]) == 2
    assert "--license is missing: say under which license" in line_of(capsys)
    assert not hub.asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--license", "no-such-licence"], '"license" must be one of [apache-2.0, mit, other]'),
        (["--license", "CC BY 4.0"], "write an identifier as the Hub lists them"),
        (["--license", "mit", "--license-name", "x"], "go with --license other"),
        (["--license", "other", "--license-link", "a b"], "--license-link a b: write a URL"),
    ],
)
def test_a_license_that_the_hub_refuses_is_named_before_anything_is_sent(
    options, said, hub, finished, capsys
):
    assert run(["publish", str(finished), URL, *options]) == 2
    assert said in line_of(capsys)
    assert not hub.repos


def test_options_of_the_hub_are_refused_elsewhere(finished, tmp_path, capsys):
    for place in ("s3://bucket/set", str(tmp_path / "folder")):
        assert run(["publish", str(finished), place, "--private"]) == 2
        assert "--private and --gated go with hf://" in line_of(capsys)


@pytest.mark.parametrize("command", ["verify", "inspect", "publish"])
def test_a_data_set_on_the_hub_has_to_be_downloaded_first(command, tmp_path, capsys):
    line = [command, URL, *([str(tmp_path / "x")] if command == "publish" else [])]
    assert run(line) == 2
    assert f"`texgen download {URL} --out DIR`" in line_of(capsys)


def test_a_build_on_the_hub_names_publish(small_source, capsys):
    assert run(["build", "--src", str(small_source), "--out", URL]) == 2
    assert f"and `texgen publish OUT {URL}` sends one" in line_of(capsys)


def test_a_disk_that_is_full_is_one_line(hub, finished, tmp_path, monkeypatch, capsys):
    publish(finished)
    monkeypatch.setattr("texgen.storage.sink.free_bytes", lambda folder: 10)
    capsys.readouterr()
    assert download(tmp_path / "out") == 2
    assert "the download needs" in line_of(capsys)


def test_an_endpoint_with_a_password_does_not_show_it(hub, finished, tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://me:sesame@127.0.0.1:1")
    for ended in both(finished, tmp_path):
        assert ended
        assert "sesame" not in line_of(capsys)


def test_a_server_that_is_no_hub_is_named(hub, finished, tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    def page(handler, data):
        handler.answer(b"<html>a page</html>")
        return True

    (tmp_path / "www" / "api" / "datasets" / "lab").mkdir(parents=True)
    (tmp_path / "www" / "api" / "datasets" / NAME).write_text("x")
    with serving(tmp_path / "www", page) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        for ended in both(finished, tmp_path):
            assert ended == 1
            error = line_of(capsys)
            assert "check HF_ENDPOINT" in error or "the Hub answers 501" in error


def test_nothing_of_the_hub_is_imported_for_other_places(finished, tmp_path):
    code = (
        "import sys; from texgen.cli.main import run; "
        f"run(['download', {str(finished)!r}, '--out', {str(tmp_path / 'out')!r}]); "
        "sys.exit('huggingface_hub' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
