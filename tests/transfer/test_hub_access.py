"""Who may publish to a Hub and download from it: private and gated sets, tokens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.hub import OWNER, READER, STRANGER
from tests.transfer.test_hub import NAME, URL, become, download, publish


def test_a_private_set_is_its_owners(hub, finished, tmp_path, monkeypatch, capsys):
    assert publish(finished, "--private") == 0
    assert hub.repos[NAME].private
    become(READER, monkeypatch)
    assert download(tmp_path / "mine") == 0
    for token, hint in ((STRANGER, "that the token may read it"), (None, "hf auth login")):
        become(token, monkeypatch)
        capsys.readouterr()
        assert download(tmp_path / "theirs") == 1
        error = capsys.readouterr().err
        assert "there is no such data set, or none that you may see" in error
        assert hint in error


def test_a_public_set_is_not_silently_taken_for_a_private_one(hub, finished, capsys):
    hub.add(NAME, {})
    assert publish(finished, "--private") == 2
    assert f"{URL} is public; make it private on" in capsys.readouterr().err


@pytest.mark.parametrize("gate", ["auto", "manual"])
def test_a_gated_set_is_for_those_who_were_let_in(
    gate, hub, finished, tmp_path, monkeypatch, capsys
):
    assert publish(finished, "--gated", gate) == 0
    assert hub.repos[NAME].gated == gate
    # It is gated before any file is there.
    asked = [path for _, path in hub.asked]
    settings = asked.index(f"/api/datasets/{NAME}/settings")
    assert not any(re.search("/objects/|/commit/", path) for path in asked[:settings])
    for token, hint in ((STRANGER, "wait for it if you have asked"), (None, "hf auth login")):
        become(token, monkeypatch)
        assert download(tmp_path / "got") == 1
        error = capsys.readouterr().err
        assert "its owner decides who may read it (gated)" in error
        assert hint in error
    hub.repos[NAME].accepted.add("guest")
    become(STRANGER, monkeypatch)
    assert download(tmp_path / "got") == 0
    assert tree(tmp_path / "got") == tree(finished)


@pytest.mark.parametrize(
    ("options", "advised"),
    [((), True), (("--private",), False), (("--gated", "auto"), False)],
)
def test_a_gate_is_advised_for_imagenets_textures_that_everybody_may_read(
    options, advised, hub, out, capsys
):
    index = json.loads((out / "index.json").read_text())
    index["splits"]["train"]["classes"] = ["n01440764", "n01443537"]
    (out / "index.json").write_text(json.dumps(index))
    assert publish(out, *options) == 0
    note = f"or turn access requests on at {hub.url}/datasets/{NAME}/settings"
    assert (note in capsys.readouterr().out) is advised
    # It is not advised again once the owner has followed it on the page.
    hub.repos[NAME].gated = "manual"
    assert publish(out) == 0
    assert note not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("token", "code", "said"),
    [
        (None, 2, "publishing needs a token: run `hf auth login`, or set HF_TOKEN"),
        (READER, 1, "use a token with write access to it"),
        (STRANGER, 1, "use a token with write access to it"),
        ("hf_expired", 1, "the Hub does not know this token"),
        ("hf_ümlaut", 2, "check HF_TOKEN"),
    ],
)
def test_publishing_without_permission_is_one_line(
    token, code, said, hub, finished, monkeypatch, capsys
):
    become(token, monkeypatch)
    assert publish(finished) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not hub.repos
    assert token is None or token not in error


def test_a_token_without_write_access_to_a_repository_is_named(hub, finished, monkeypatch, capsys):
    hub.add(NAME, {})
    become(READER, monkeypatch)
    assert publish(finished) == 1
    assert f"cannot write {URL}: the token does not allow it (403)" in capsys.readouterr().err


def test_the_token_of_a_login_is_found(hub, finished, monkeypatch):
    from huggingface_hub import constants

    become(None, monkeypatch)
    Path(constants.HF_TOKEN_PATH).parent.mkdir()
    Path(constants.HF_TOKEN_PATH).write_text(OWNER)
    assert publish(finished) == 0
