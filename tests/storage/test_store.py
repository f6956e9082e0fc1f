"""Calls that every `Store` answers in the same way, whatever holds its files."""

from __future__ import annotations

import errno
import hashlib
import pickle
from pathlib import Path

import pytest

from tests.support.file_server import serving
from tests.support.store import Store as Server
from texgen.core.errors import ConfigError, DatasetError
from texgen.dataset.shard_reader import ShardReader
from texgen.storage import Store, open_store, open_stream_store
from texgen.storage.errors import ChangedFileError, ConditionFailedError, StoreError
from texgen.storage.store import NOTHING, list_folder
from texgen.transfer.fetch import RemoteError, open_remote_file


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3: Server) -> Store:
    place = str(tmp_path / "place") if request.param == "folder" else f"s3://{s3.bucket}/place"
    return open_store(place)


def test_files_are_put_listed_read_and_deleted(store):
    assert list(store.list()) == []
    store.put("a/b.tar", b"0123456789")
    store.put("a/.hidden", b"")
    store.put("c", b"x")
    assert dict(store.list()) == {"a/b.tar": 10, "a/.hidden": 0, "c": 1}
    assert dict(store.list("a")) == {"a/b.tar": 10, "a/.hidden": 0}
    assert list_folder(store, "a") == (["b.tar"], [])
    assert {entry.name for entry in store.scan("a", hidden=True)} == {b"b.tar", b".hidden"}
    assert [store.kind(path) for path in ("a", "c", "none")] == ["folder", "file", None]
    assert store.get_range("a/b.tar").data == b"0123456789"
    some = store.get_range("a/b.tar", 2, 5)
    assert (some.data, some.size) == (b"234", 10)
    assert store.get_range("a/b.tar", 8, 99).data == b"89"
    assert store.head("a/b.tar").etag == some.etag
    store.delete("c")
    store.delete("c")
    with pytest.raises(FileNotFoundError):
        store.get_range("c")
    with pytest.raises(FileNotFoundError):
        store.head("c")


def test_absolute_paths_are_taken_as_they_are(store):
    store.put("a/b", b"x")
    place = store.place("a/b")
    assert store.get_range(place).data == store.open(place).read_at(0, 9) == b"x"
    assert store.kind(store.place("a")) == "folder"
    assert [entry.name for entry in store.scan(store.place("a"))] == [b"b"]


def test_a_put_may_demand_that_nothing_is_there(store):
    assert store.put("a", b"first", over=NOTHING).atomic
    with pytest.raises(ConditionFailedError):
        store.put("a", b"second", over=NOTHING)
    assert store.get_range("a").data == b"first"
    store.put("a", b"third")
    assert store.get_range("a").data == b"third"
    assert dict(store.list()).keys() - {"_build/probe"} == {"a"}


def test_a_put_may_demand_an_etag(s3):
    store = open_store(f"s3://{s3.bucket}")
    with pytest.raises(FileNotFoundError):
        store.put("a", b"x", over='"0"')
    first = store.put("a", b"first").etag
    second = store.put("a", b"second", over=first).etag
    with pytest.raises(ConditionFailedError):
        store.put("a", b"third", over=first)
    assert store.head("a").etag == second


def test_a_local_file_is_put_whole(store, tmp_path):
    file = tmp_path / "draft"
    file.write_bytes(b"tar")
    store.put("train/a.tar", file, over=NOTHING, sha256=hashlib.sha256(b"tar").hexdigest())
    file.unlink(missing_ok=True)
    assert store.get_range("train/a.tar").data == b"tar"


def test_a_file_that_changes_while_it_is_streamed_is_an_error(store, monkeypatch):
    monkeypatch.setattr(type(store), "stream_bytes", 4)
    store.put("a", b"0123456789")
    with store.stream("a", 1) as stream:
        assert (stream.offset, b"".join(stream.blocks)) == (1, b"123456789")
    with store.stream("a") as stream:
        blocks = iter(stream.blocks)
        assert next(blocks) == b"0123"
        store.put("a", b"abcdefghij")
        with pytest.raises(ChangedFileError, match="it has changed while it was read") as caught:
            next(blocks)
    assert caught.value.retryable


def test_pieces_are_those_of_the_file(store):
    data = bytes(range(256)) * 2000
    store.put("a", data)
    pieces = ShardReader(store.place())
    for start, end in ((0, 10), (300_000, 300_100), (511_990, 512_000)):
        assert pieces.read("a", start, end) == data[start:end]
    with pytest.raises(DatasetError, match="a is cut off"):
        pieces.read("a", 511_990, 600_000)
    with pytest.raises(DatasetError, match=r"none.*; run `texgen verify` for details"):
        pieces.read("none", 0, 1)


def test_stores_are_names_that_pickle(store):
    same = pickle.loads(pickle.dumps(store))  # noqa: S301
    assert same == store
    assert hash(same) == hash(store)


def test_errors_of_stores_are_whole_after_they_were_pickled():
    error = ChangedFileError("s3://b/a", "it has changed", "read", retryable=True)
    same = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(same) == str(error) == "cannot read s3://b/a: it has changed"
    assert (type(same), same.retryable, same.errno) == (ChangedFileError, True, error.errno)
    assert str(StoreError("http://h/a", "no answer in time")) == "http://h/a: no answer in time"


def test_a_download_reports_errors_of_reading_and_not_those_of_its_own_code(store):
    store.put("a", b"data")
    with pytest.raises(RemoteError), open_remote_file(store, "none") as stream:
        list(stream.blocks)

    def full(_: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"), open_remote_file(store, "a") as stream:
        full(next(stream.blocks))


def test_a_web_server_is_streamed_from_and_is_no_place_for_anything_else(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with serving(tmp_path) as server:
        with open_stream_store(server.url).stream("a", 4) as stream:
            assert (stream.offset, b"".join(stream.blocks)) == (4, b"456789")
        with pytest.raises(ConfigError, match="http:// is not known here; name a folder, or s3://"):
            open_store(server.url)
