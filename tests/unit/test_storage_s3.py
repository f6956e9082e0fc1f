from __future__ import annotations

import hashlib
import tarfile
import tempfile
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.proxy import Proxy, once
from tests.store import KEY, SECRET, TOKEN, Store
from texgen.config import Part
from texgen.errors import ConfigError, ShardConflictError, StorageError
from texgen.s3 import file, retry, upload
from texgen.s3.upload import PROBE
from texgen.storage import open_sink
from texgen.storage.s3 import S3Sink


@pytest.fixture
def sink(s3: Store) -> S3Sink:
    return S3Sink(f"s3://{s3.bucket}/out")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No pauses between tries; they are counted."""
    pauses: list[int] = []
    monkeypatch.setattr(retry, "_pause", pauses.append)
    return pauses


@pytest.fixture
def proxied(s3: Store, hurried: list[int]):
    """A sink behind a proxy."""
    with Proxy(s3.endpoint) as proxy:
        yield S3Sink(f"s3://{s3.bucket}/out", None, proxy.url), proxy


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file that goes up in parts."""
    monkeypatch.setattr(upload, "MULTIPART_BYTES", 1 << 20)
    monkeypatch.setattr(upload, "_PART_BYTES", 5 << 20)
    return bytes(range(256)) * (6 << 12)


def draft(sink: S3Sink, data: bytes) -> tuple[Path, str]:
    path = sink.scratch() / f"{threading.get_ident()}.part"
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def commit(sink: S3Sink, path: str, data: bytes, *, replace: bool = False) -> None:
    file, sha256 = draft(sink, data)
    sink.commit(file, path, sha256, replace=replace)
    assert not file.exists()


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
    sink = S3Sink(f"s3://{s3.bucket}/")
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
    # Copied by another program, without what lies beside it.
    s3.put("out/train/b.tar", b"tar")
    commit(sink, "train/b.tar", b"tar")


def test_a_commit_of_other_bytes_is_a_conflict_and_changes_nothing(sink, s3):
    sink.write("train/a.tar", b"first")
    with pytest.raises(ShardConflictError, match=r"s3://bucket.*/out/train/a\.tar is there with"):
        commit(sink, "train/a.tar", b"second")
    assert s3.get("out/train/a.tar") == b"first"
    commit(sink, "train/a.tar", b"second", replace=True)
    assert s3.get("out/train/a.tar") == b"second"


@pytest.mark.parametrize("same", [True, False])
def test_of_two_writers_one_wins(s3, same):
    outcomes: list[object] = []
    barrier = threading.Barrier(2)

    def write(data: bytes) -> None:
        sink = S3Sink(f"s3://{s3.bucket}/out")
        barrier.wait(10)
        try:
            commit(sink, "train/a.tar", data)
            outcomes.append(data)
        except ShardConflictError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=write, args=(b"a" if same else d,)) for d in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    made = [outcome for outcome in outcomes if isinstance(outcome, bytes)]
    assert len(made) == (2 if same else 1)
    assert s3.get("out/train/a.tar") == made[0]


@pytest.mark.parametrize(
    "fault", ["conflict", "error", "slow_down", "bare", "reset", "lost", "cut"]
)
def test_a_commit_comes_through_faults(proxied, s3, fault):
    sink, proxy = proxied
    proxy.choose = once(fault, "PUT", r"a\.tar", times=3)
    commit(sink, "train/a.tar", b"tar" * 1000)
    assert proxy.met[fault] == (1 if fault == "lost" else 3) or fault == "lost"
    assert s3.get("out/train/a.tar") == b"tar" * 1000


@pytest.mark.parametrize("fault", ["error", "slow_down", "reset", "cut"])
def test_reading_comes_through_faults(proxied, s3, fault):
    sink, proxy = proxied
    data = bytes(range(256)) * 20_000
    s3.put("out/a", data)
    proxy.choose = once(fault, "GET", "/out/a", times=3)
    assert sink.open("a").read() == data
    assert proxy.met[fault] == 3


def test_tries_end_with_one_line_that_says_the_mend(proxied, hurried):
    sink, proxy = proxied
    proxy.choose = lambda *_: "slow_down"
    with pytest.raises(
        StorageError, match=r"cannot write s3://.*/a: the store says SlowDown; try l"
    ):
        sink.write("a", b"")
    assert len(proxy.asked) == retry.ATTEMPTS
    assert hurried == list(range(1, retry.ATTEMPTS))
    proxy.choose = lambda *_: "reset"
    with pytest.raises(
        StorageError, match=r"cannot read .*no answer .*; check the network and --s"
    ):
        sink.open("a")


def test_what_no_try_mends_is_tried_once(proxied, hurried):
    sink, proxy = proxied
    proxy.choose = lambda *_: "denied"
    with pytest.raises(StorageError, match=r"AccessDenied; give these credentials.*docs/s3\.md"):
        sink.write("a", b"")
    assert len(proxy.asked) == 1


def test_an_answer_that_does_not_come_is_asked_for_again(proxied, s3, monkeypatch):
    monkeypatch.setattr("texgen.s3.client.READ_S", 0.5)
    sink, proxy = proxied
    s3.put("out/a", b"x")
    proxy.choose = once("hang", "GET")
    assert sink.open("a").read() == b"x"


def test_pauses_grow_and_end(monkeypatch):
    taken: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", taken.append)
    for attempt in range(1, retry.ATTEMPTS):
        for _ in range(20):
            retry._pause(attempt)
    assert max(taken[:20]) <= 0.2
    assert max(taken) <= 20
    assert len(set(taken)) > 100


@pytest.mark.parametrize("bucket", ["there", "absent"])
def test_a_file_that_is_not_there_is_a_storage_error_that_names_it(s3, bucket):
    name = s3.bucket if bucket == "there" else "no-such-bucket"
    sink = S3Sink(f"s3://{name}/out")
    why = "it is not there" if bucket == "there" else "no such bucket; make the bucket first"
    with pytest.raises(StorageError, match=why) as caught:
        sink.open("train/a.tar")
    assert isinstance(caught.value.__cause__, FileNotFoundError) == (bucket == "there")
    assert "s3://" in str(caught.value)


def test_remove_deletes_and_forgives_what_is_gone(sink, s3):
    sink.write("index.json", b"x")
    for _ in range(2):
        sink.remove("index.json")
        assert s3.keys() == []


def test_large_files_go_up_in_parts(sink, s3, small_parts):
    commit(sink, "train/a.tar", small_parts)
    commit(sink, "train/a.tar", small_parts)
    assert s3.get("out/train/a.tar") == small_parts
    with pytest.raises(ShardConflictError):
        commit(sink, "train/a.tar", small_parts[::-1])
    assert s3.get("out/train/a.tar") == small_parts
    assert s3.uploads() == []


@pytest.mark.parametrize("fault", ["conflict", "lost", "cut", "slow_down"])
def test_parts_come_through_faults(proxied, s3, small_parts, fault):
    sink, proxy = proxied
    proxy.choose = once(fault, "POST" if fault in {"conflict", "lost"} else "PUT", "uploadId")
    commit(sink, "train/a.tar", small_parts)
    assert proxy.met[fault] == 1
    assert s3.get("out/train/a.tar") == small_parts
    assert s3.uploads() == []


def test_an_upload_that_fails_is_aborted(proxied, s3, small_parts):
    sink, proxy = proxied
    proxy.choose = once("denied", "PUT", "partNumber=2")
    with pytest.raises(StorageError, match="AccessDenied"):
        commit(sink, "train/a.tar", small_parts)
    assert s3.uploads() == []
    assert not s3.has("out/train/a.tar")


def test_uploads_of_killed_runs_are_thrown_away_but_by_no_part(sink, s3):
    for key in ("out/train/a.tar", "other/a.tar"):
        s3.client.create_multipart_upload(Bucket=s3.bucket, Key=key)
    S3Sink(f"s3://{s3.bucket}/out", Part(1, 2)).clear_scratch()
    assert len(s3.uploads()) == 2
    sink.clear_scratch()
    assert s3.uploads() == ["other/a.tar"]


@pytest.mark.parametrize("kind", ["unknown", "ignored"])
def test_stores_without_conditions_commit_and_refuse_alike(proxied, s3, monkeypatch, kind):
    sink, proxy = proxied
    if kind == "unknown":
        proxy.choose = once("unknown", "PUT", "probe")
    else:
        deaf(monkeypatch)
    commit(sink, "train/a.tar", b"tar")
    commit(sink, "train/a.tar", b"tar")
    with pytest.raises(ShardConflictError):
        commit(sink, "train/a.tar", b"other")
    assert s3.get("out/train/a.tar") == b"tar"
    assert not upload.honours_conditions(sink._bucket)
    with sink.lock(), pytest.raises(ConfigError, match="is being written by process"):
        S3Sink(f"s3://{s3.bucket}/out", None, proxy.url).lock().__enter__()


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that takes conditions and heeds none."""
    put = upload.Bucket.put
    monkeypatch.setattr(upload.Bucket, "put", lambda self, p, b, _, s=None: put(self, p, b, {}, s))


def test_a_store_is_asked_once_a_process(proxied):
    sink, proxy = proxied
    for number in range(3):
        commit(sink, f"train/{number}.tar", b"tar")
    assert sum("probe" in path for _, path in proxy.asked) == 2


def test_arrow_and_tarfile_read_what_is_opened(sink, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(file, "BLOCK_BYTES", 1000)
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
    monkeypatch.setattr(file, "BLOCK_BYTES", 10)
    s3.put("out/a", b"a" * 20)
    with sink.open("a") as opened:
        assert opened.read(10) == b"a" * 10
        s3.put("out/a", b"b" * 20)
        with pytest.raises(StorageError, match="has changed while it was read"):
            opened.read(10)


@pytest.mark.parametrize(
    ("holds", "foreign"),
    [([], None), (["_build/lock.json", "a"], None), (["_build/plan.json"], None),
     (["_build/lock.1-of-2.json"], None), (["photos/a", "b"], "b"), (["_build/x"], "_build")],
)  # fmt: skip
def test_what_no_build_has_written_is_named(sink, s3, holds, foreign):
    for name in holds:
        s3.put(f"out/{name}", b"")
    assert sink.foreign() == foreign


def test_scratch_is_local_and_cleared_without_that_of_others(sink, s3):
    path, _ = draft(sink, b"left behind")
    assert path.is_relative_to(tempfile.gettempdir())
    dead = path.parent.parent / "dead"
    dead.mkdir()
    other, _ = draft(S3Sink(f"s3://{s3.bucket}/other"), b"at work")
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
    sink.keep_log()
    assert [s3.get(key) for key in s3.keys("out/_build/logs/")] == [b"mine", b"killed"]
    assert not log.exists()
    assert (log.parent / "before.1-of-2.log").exists()


def test_a_log_that_cannot_be_kept_costs_nothing(proxied):
    sink, proxy = proxied
    proxy.choose = lambda *_: "denied"
    sink.log_path().write_bytes(b"mine")
    sink.keep_log()
    assert sink.log_path().exists()


def test_credentials_are_in_no_error(proxied, monkeypatch):
    sink, proxy = proxied
    said = []
    for fault in ("denied", "reset", "bare", "unknown"):
        proxy.choose = lambda *_, fault=fault: fault
        with pytest.raises(StorageError) as caught:
            sink.write("a", b"")
        said.append(repr(caught.value))
    for url in (f"s3://{KEY}:{SECRET}@bucket/x", f"s3://{KEY}:x@bucket"):
        with pytest.raises(ConfigError) as refused:
            open_sink(url)
        said.append(str(refused.value))
    assert not [text for text in said if KEY in text or SECRET in text or TOKEN in text]


@pytest.mark.parametrize(
    "url", ["s3://", "s3://x", "s3://a b/c", "s3://bucket/a//b", "s3://b_t/.."]
)
def test_what_is_no_bucket_is_refused(url):
    with pytest.raises(ConfigError, match="s3://bucket/prefix"):
        open_sink(url)


def test_without_credentials_requests_are_not_signed(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    s3.put("out/a", b"public")
    sink = S3Sink(f"s3://{s3.bucket}/out")
    assert sink.open("a").read() == b"public"
    with Proxy(s3.endpoint, lambda *_: "denied") as proxy:
        sink = S3Sink(f"s3://{s3.bucket}/out", None, proxy.url)
        with pytest.raises(StorageError, match="no credentials; set AWS_ACCESS_KEY_ID"):
            sink.open("a")
