from __future__ import annotations

import hashlib
import tarfile
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.bucket import commit, draft
from texgen.core.errors import ConfigError, ShardConflictError, StorageError
from texgen.core.layout import PROBE
from texgen.storage import Sink, ranges


def test_what_is_written_can_be_listed_and_opened(sink, s3):
    sink.write("manifest/a.parquet", b"abc")
    sink.write("train/x.tar", b"")
    s3.put("elsewhere", b"")
    s3.put("outside/train/x.tar", b"")
    s3.put("out/train/", b"")
    assert sink.list("") == {"manifest/a.parquet": 3, "train/x.tar": 0}
    assert sink.list("manifest") == {"manifest/a.parquet": 3}
    assert sink.list("man") == sink.list("nothing") == {}
    assert sink.open("manifest/a.parquet").read() == b"abc"
    assert sink.open("train/x.tar").read() == b""
    assert sink.read("manifest/a.parquet", 1, 9) == b"bc"
    sink.write("manifest/a.parquet", b"d")
    assert sink.open("manifest/a.parquet").read() == b"d"


def test_all_of_a_bucket_may_be_out(s3):
    sink = Sink(f"s3://{s3.bucket}/")
    sink.write("index.json", b"abc")
    assert s3.keys() == ["index.json"]
    assert sink.list("") == {"index.json": 3}


def test_listings_go_on_after_a_thousand(sink, s3):
    for number in range(1003):
        s3.put_at_once(f"out/train/{number:04d}", b"x")
    assert len(sink.list("")) == len(sink.list("train")) == 1003


def test_a_commit_is_there_whole_with_its_checksum(sink, s3):
    commit(sink, "train/a.tar", b"tar")
    assert s3.get("out/train/a.tar") == b"tar"
    about = s3.client.head_object(Bucket=s3.bucket, Key="out/train/a.tar")["Metadata"]
    assert about == {"sha256": hashlib.sha256(b"tar").hexdigest()}
    assert set(s3.keys()) == {"out/train/a.tar", f"out/{PROBE}"}


def test_a_commit_of_the_same_bytes_is_done_already(sink, s3):
    for _ in range(2):
        commit(sink, "train/a.tar", b"tar")
    # Another program copies an object without its metadata.
    s3.put("out/train/b.tar", b"tar")
    commit(sink, "train/b.tar", b"tar")


def test_a_commit_of_other_bytes_is_a_conflict_and_changes_nothing(sink, s3):
    sink.write("train/a.tar", b"first")
    with pytest.raises(ShardConflictError, match=r"s3://bucket.*/out/train/a\.tar is there with"):
        commit(sink, "train/a.tar", b"second")
    assert s3.get("out/train/a.tar") == b"first"
    commit(sink, "train/a.tar", b"second", replace=True)
    assert s3.get("out/train/a.tar") == b"second"


@pytest.mark.parametrize("bucket", ["there", "absent"])
def test_a_file_that_is_not_there_is_a_storage_error_that_names_it(s3, bucket):
    name = s3.bucket if bucket == "there" else "no-such-bucket"
    sink = Sink(f"s3://{name}/out")
    reason = (
        "it is not there" if bucket == "there" else "no such bucket; check its name, and make it"
    )
    with pytest.raises(StorageError, match=reason) as caught:
        sink.open("train/a.tar")
    assert isinstance(caught.value.__cause__, FileNotFoundError) == (bucket == "there")
    assert "s3://" in str(caught.value)


def test_remove_deletes_and_forgives_what_is_gone(sink, s3):
    sink.write("index.json", b"x")
    for _ in range(2):
        sink.remove("index.json")
        assert s3.keys() == []


def test_arrow_and_tarfile_read_what_is_opened(sink, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "BLOCK_BYTES", 1000)
    table = pa.table({"a": list(range(5000))})
    pq.write_table(table, tmp_path / "a.parquet")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "a.parquet", "a.parquet")
    for name in ("a.parquet", "a.tar"):
        s3.put(f"out/{name}", (tmp_path / name).read_bytes())
    assert pq.read_table(sink.open("a.parquet")).equals(table)
    with sink.open("a.tar") as opened, tarfile.open(fileobj=opened, mode="r:") as tar:
        assert tar.extractfile("a.parquet").read() == (tmp_path / "a.parquet").read_bytes()
        assert opened.size() == (tmp_path / "a.tar").stat().st_size


def test_a_file_that_changes_while_it_is_read_is_an_error(sink, s3, monkeypatch):
    monkeypatch.setattr(ranges, "BLOCK_BYTES", 10)
    s3.put("out/a", b"a" * 20)
    with sink.open("a") as opened:
        assert opened.read(10) == b"a" * 10
        s3.put("out/a", b"b" * 20)
        with pytest.raises(StorageError, match="has changed while it was read"):
            opened.read(10)


@pytest.mark.parametrize(
    ("holds", "foreign"),
    [([], None), (["_build/lock.json", "a"], None), (["_build/plan.json"], None),
     (["_build/lock.1-of-2.json"], None), (["_build/probe"], None),
     (["photos/a", "b"], "b"), (["_build/x"], "_build")],
)  # fmt: skip
def test_what_no_build_has_written_is_named(sink, s3, holds, foreign):
    for name in holds:
        s3.put(f"out/{name}", b"")
    assert sink.first_unknown_file() == foreign


def test_scratch_is_local_and_cleared_without_that_of_others(sink, s3):
    path, _ = draft(sink, b"left behind")
    assert path.is_relative_to(tempfile.gettempdir())
    dead = path.parent.parent / "dead"
    dead.mkdir()
    other, _ = draft(Sink(f"s3://{s3.bucket}/other"), b"at work")
    sink.clear_scratch()
    assert not path.exists()
    assert not dead.exists()
    assert other.exists()
    assert draft(sink, b"again")[0].exists()
    assert sink.free_bytes() is None
    assert sink.free_scratch_bytes() > 0


def test_a_log_is_kept_in_the_bucket_and_so_are_those_of_killed_runs(sink, s3):
    log = sink.log_path()
    log.write_bytes(b"mine")
    (log.parent / "before.build.log").write_bytes(b"killed")
    (log.parent / "before.1-of-2.log").write_bytes(b"at work")
    sink.upload_log()
    assert [s3.get(key) for key in s3.keys("out/_build/logs/")] == [b"mine", b"killed"]
    assert not log.exists()
    assert (log.parent / "before.1-of-2.log").exists()


@pytest.mark.parametrize(
    "url", ["s3://", "s3://x", "s3://a b/c", "s3://bucket/a//b", "s3://b_t/.."]
)
def test_what_is_no_bucket_is_refused(url):
    with pytest.raises(ConfigError, match="s3://bucket/prefix"):
        Sink(url)
