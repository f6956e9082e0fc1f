"""The package of the Hub, its settings and its token, when they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Texgen
from tests.transfer.test_hub import NAME, URL, become, download, publish
from tests.transfer.test_hub_errors import line_of

PACKAGES = {
    "": "too old or broken (cannot import name 'constants'",
    "constants = None\n": "too old or broken (cannot import name 'set_client_factory'",
    "raise ImportError('one of its own is missing')\n": "(one of its own is missing)",
}


@pytest.mark.parametrize("content", PACKAGES)
def test_a_package_that_is_too_old_or_broken_is_named(content, texgen: Texgen, tmp_path):
    package = tmp_path / "packages/huggingface_hub"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").write_text(content)
    done = texgen(
        *("download", URL, "--out", tmp_path / "out"), env={"PYTHONPATH": str(package.parent)}
    )
    assert done.returncode == 2
    assert PACKAGES[content] in done.stderr
    assert "run `pip install --upgrade 'texgen-shards[hub]'`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_setting_that_the_package_cannot_read_is_no_bug(texgen: Texgen, tmp_path):
    done = texgen(
        *("download", URL, "--out", tmp_path / "out"), env={"HF_HUB_ETAG_TIMEOUT": "soon"}
    )
    assert done.returncode == 2
    assert "'soon'" in done.stderr
    assert "check the variables of the environment that begin with HF_" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["folder", "bytes"])
def test_a_token_file_that_cannot_be_read_is_named(kind, hub, tmp_path, monkeypatch, capsys):
    from huggingface_hub import constants

    become(None, monkeypatch)
    token = Path(constants.HF_TOKEN_PATH)
    if kind == "folder":
        token.mkdir(parents=True)
    else:
        token.parent.mkdir(parents=True)
        token.write_bytes(b"\xff\xfe")
    assert download(tmp_path / "out") == 2
    error = line_of(capsys)
    assert f"the Hub's token cannot be read from {token}: " in error
    assert "run `hf auth login`, or set HF_TOKEN" in error


def test_a_hub_that_xet_cannot_use_is_named_with_the_way_around_it(
    hub, finished, tmp_path, monkeypatch, capsys
):
    from huggingface_hub import constants

    # Where hf_xet keeps its logs.
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    # The small Hub knows Git LFS alone.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    assert publish(finished) == 1
    error = line_of(capsys)
    assert f"cannot write {URL}: Xet, which takes the Hub's large files, failed (" in error
    assert "404 Not Found" in error
    assert "or set HF_HUB_DISABLE_XET=1 to send files by Git LFS" in error
    assert not hub.tree(NAME)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    assert publish(finished) == 0
