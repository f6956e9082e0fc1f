"""Publishing to and downloading from a Hub behind certificates and proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.hub_api import running_hub
from tests.support.networks import Authority, proxy
from tests.transfer.test_hub import NAME, data_of, download, publish
from texgen.storage.hub.client import hub_client


def ask(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.setattr(constants, "ENDPOINT", url)
    hub_client.cache_clear()
    close_session()


def test_an_authority_that_the_environment_names_is_trusted(
    hub, finished, tmp_path, monkeypatch, capsys
):
    authority = Authority(tmp_path)
    with running_hub(authority.context("127.0.0.1")) as secure:
        ask(secure.url, monkeypatch)
        assert publish(finished) == 1
        error = capsys.readouterr().err
        assert "its certificate is of an authority that is not trusted here" in error
        assert error.count("\n") == 1
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        ask(secure.url, monkeypatch)
        assert publish(finished) == 0
        assert data_of(secure) == tree(finished)
        assert download(tmp_path / "got") == 0
        assert not secure.leaked
    assert tree(tmp_path / "got") == tree(finished)


def test_a_bundle_that_is_missing_is_named(hub, finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert publish(finished) == 2
    assert "SSL_CERT_FILE names" in capsys.readouterr().err


def test_a_proxy_is_used_by_both_commands(hub, finished, tmp_path, monkeypatch):
    with proxy() as forward:
        monkeypatch.delenv("NO_PROXY")
        port = int(hub.url.rpartition(":")[2])
        content = int(hub.content_url.rpartition(":")[2])
        forward.hosts |= {"hub.test": port, "content.test": content}
        hub.url = "http://hub.test"
        hub.content_url = "http://content.test"
        monkeypatch.setenv("http_proxy", forward.url)
        ask("http://hub.test", monkeypatch)
        assert publish(finished) == 0
        asked = len(forward.asked)
        assert asked > 10
        assert download(tmp_path / "got") == 0
        assert len(forward.asked) > asked
    assert tree(Path(tmp_path / "got")) == tree(finished) == data_of(hub, NAME)
