from __future__ import annotations

import os
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from texgen.core.errors import EngineStartError
from texgen.synthesis.engine_spec import (
    UPSTREAM,
    WORKER,
    WORKER_VARIABLE,
    upstream_path,
    worker_path,
)


def program(folder: Path, name: str, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without a worker anywhere."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.delenv(WORKER_VARIABLE, raising=False)
    monkeypatch.setattr(metadata, "files", missing)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def test_a_worker_that_is_nowhere_is_an_error_with_the_mend(nothing_installed):
    with pytest.raises(EngineStartError, match=r"texgen-worker.*pip install \.") as caught:
        worker_path()
    assert "pip install texgen" not in str(caught.value)


@pytest.mark.parametrize("place", ["scripts", "bin", "path"])
def test_a_worker_is_found_wherever_it_was_installed(nothing_installed, place):
    there = program(nothing_installed / place, WORKER)
    assert worker_path() == there


def test_a_file_that_may_not_be_run_is_no_worker(nothing_installed):
    program(nothing_installed / "scripts", WORKER, 0o644)
    with pytest.raises(EngineStartError):
        worker_path()


def test_the_environment_variable_comes_first(nothing_installed, monkeypatch):
    program(nothing_installed / "scripts", WORKER)
    own = program(nothing_installed / "own", "another-name")
    monkeypatch.setenv(WORKER_VARIABLE, str(own))
    assert worker_path() == own


def test_an_empty_environment_variable_is_none(nothing_installed, monkeypatch):
    there = program(nothing_installed / "scripts", WORKER)
    monkeypatch.setenv(WORKER_VARIABLE, "")
    assert worker_path() == there


def test_the_worker_of_this_distribution_is_preferred_to_one_on_the_path(
    nothing_installed, monkeypatch
):
    program(nothing_installed / "path", WORKER)
    own = program(nothing_installed / "site", WORKER)

    class Listed:
        name = WORKER

        def locate(self) -> Path:
            return own

    monkeypatch.setattr(metadata, "files", lambda _: [Listed()])
    assert worker_path() == own


def test_upstreams_program_is_found_on_the_path(tmp_path, monkeypatch):
    there = program(tmp_path, UPSTREAM)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert upstream_path(None) == str(there)


def test_upstreams_program_may_be_named_and_becomes_absolute(tmp_path, monkeypatch):
    there = program(tmp_path, "mine")
    monkeypatch.chdir(tmp_path)
    found = upstream_path("./mine")
    assert os.path.isabs(found)  # noqa: PTH117 - the result is text
    assert Path(found) == there.resolve()


@pytest.mark.parametrize("named", [None, "./no-such-program"])
def test_without_upstreams_program_the_error_says_how_to_get_it(tmp_path, monkeypatch, named):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineStartError, match="cargo install texture-synthesis-cli") as caught:
        upstream_path(named)
    assert (named or UPSTREAM) in str(caught.value)
    assert caught.value.exit_code == 2
