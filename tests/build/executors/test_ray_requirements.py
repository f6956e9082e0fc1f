from __future__ import annotations

import resource
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from texgen.build.executors import ray_requirements
from texgen.core.errors import ConfigError

SESSION = "session_2026-11-28_11-36-06_123456_4194304/sockets/plasma_store"


@pytest.mark.parametrize("length", [37, 90, 200])
def test_a_long_tmpdir_is_left_for_a_short_folder_of_the_users_own(length, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    long = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - 1))
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    folder = ray_requirements.private_folder()
    assert folder is not None
    assert len(f"{folder}/{SESSION}") <= 107
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_a_short_tmpdir_is_rays_own_choice(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert ray_requirements.private_folder() is None


@pytest.mark.parametrize("place", ["/nonexistent/tmp", "/etc/passwd", "relative"])
def test_a_tmpdir_that_is_no_folder_is_left(place, monkeypatch):
    monkeypatch.setenv("TMPDIR", place)
    folder = ray_requirements.private_folder()
    assert folder is not None
    folder.rmdir()


def test_a_full_disk_is_left_and_without_any_place_one_line_says_so(monkeypatch):
    monkeypatch.setattr(
        ray_requirements.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20)
    )
    before = set(Path("/tmp").glob("texgen-ray-*"))
    with pytest.raises(ConfigError, match=r"RAY_TMPDIR to a writable folder .* or use --no-ray"):
        ray_requirements.private_folder()
    assert set(Path("/tmp").glob("texgen-ray-*")) <= before


@pytest.mark.parametrize("command", ray_requirements._LEAST)
def test_a_limit_that_ray_would_end_at_is_named(command, monkeypatch):
    number, least, _ = ray_requirements._LEAST[command]
    limits = {number: least - 1}
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(ray_requirements.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        ray_requirements.resource, "getrlimit", lambda n: (limits.get(n, infinite), infinite)
    )
    with pytest.raises(ConfigError, match=f"{command}.*--no-ray"):
        ray_requirements.check_limits()
    limits[number] = least
    ray_requirements.check_limits()
