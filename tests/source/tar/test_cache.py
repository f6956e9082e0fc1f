"""Tests of the cache of tar indexes."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest

from tests.support.archives import write_tar
from texgen.core.errors import SourceError
from texgen.source.base import raise_error
from texgen.source.locator import Archive
from texgen.source.tar import index as module
from texgen.source.tar.cache import IndexCache
from texgen.source.tar.index import tar_index
from texgen.source.tar.scan import TarScan
from texgen.storage.local import LocalStore


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "texgen" / "archives"


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Mock:
    spy = Mock(side_effect=TarScan)
    monkeypatch.setattr(module, "TarScan", spy)
    return spy


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_tar(tmp_path / "x.tar", [("a.jpg", b"a"), ("a.cls", b"1"), ("b.jpg", b"bb")])


def names(archive: Path) -> list[bytes]:
    return tar_index(LocalStore(), Archive(str(archive), 0), raise_error)["name"].to_pylist()


def test_headers_are_read_once(cache, scans, archive, tmp_path):
    first = tar_index(LocalStore(), Archive(str(archive), 0), raise_error)
    again = tar_index(LocalStore(), Archive(str(archive), 0), raise_error)
    (tmp_path / "link").symlink_to(archive)
    linked = tar_index(LocalStore(), Archive(str(tmp_path / "link"), 0), raise_error)
    assert first.to_pylist() == again.to_pylist() == linked.to_pylist()
    assert scans.call_count == 1
    assert [path.suffix for path in cache.iterdir()] == [".arrow"]


def test_an_index_is_written_without_a_copy_in_memory(cache, archive):
    index = tar_index(LocalStore(), Archive(str(archive), 0), raise_error)
    large = pa.concat_tables([index] * 50_000).combine_chunks()
    tracemalloc.start()
    IndexCache(LocalStore().open(str(archive)), "large").save(large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(path.stat().st_size for path in cache.iterdir()) > large.nbytes > 8 * peak


def test_another_archive_in_its_place_is_read_again(cache, scans, archive):
    names(archive)
    write_tar(archive, [("c.jpg", b"a"), ("c.cls", b"1"), ("d.jpg", b"bb")])
    os.utime(archive, ns=(1, 1))
    assert names(archive) == [b"c.jpg", b"c.cls", b"d.jpg"]
    assert scans.call_count == 2


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:20], lambda data: data[:-1],
    lambda data: data[:400] + bytes([data[400] ^ 1]) + data[401:], lambda data: data + b"x",
])  # fmt: skip
def test_a_damaged_cache_costs_time_only(damage, cache, scans, archive):
    before = names(archive)
    (kept,) = cache.iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    assert names(archive) == before
    assert scans.call_count == 2
    assert names(archive) == before
    assert scans.call_count == 2


@pytest.mark.parametrize("place", ["", "relative", "/proc/nowhere"])
def test_without_a_place_for_the_cache_nothing_is_kept(place, archive, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    # The home folder is a file, so that nothing can be written below it.
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert len(names(archive)) == 3
    assert len(names(archive)) == 3


def test_what_was_cut_off_is_not_kept(cache, archive):
    whole = archive.read_bytes()
    archive.write_bytes(whole[:1536])
    problems: list[SourceError] = []
    index = tar_index(LocalStore(), Archive(str(archive), 0), problems.append)
    assert index["name"].to_pylist() == [b"a.jpg"]
    assert len(problems) == 1
    assert not cache.exists()
