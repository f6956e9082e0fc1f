from __future__ import annotations

import hashlib
import os
import threading

import pytest
from botocore.exceptions import ClientError
from urllib3.exceptions import ProtocolError

from tests.support.bucket import commit, draft
from tests.support.file_server import serving
from tests.support.proxy import Proxy, once
from tests.support.store import KEY, SECRET, TOKEN
from texgen.core.config import Part
from texgen.core.errors import ConfigError, ShardConflictError, StorageError
from texgen.storage import Sink
from texgen.storage.errors import StoreError
from texgen.storage.s3 import retry
from texgen.storage.s3.client import _forget, client
from texgen.storage.s3.errors import s3_error
from texgen.storage.s3.store import S3Store


@pytest.mark.parametrize("same", [True, False])
def test_of_two_writers_one_wins(s3, same):
    outcomes: list[object] = []
    barrier = threading.Barrier(2)

    def write(data: bytes) -> None:
        sink = Sink(f"s3://{s3.bucket}/out")
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


@pytest.mark.parametrize("code", ["PermanentRedirect", "AuthorizationHeaderMalformed"])
def test_the_variable_that_is_named_for_the_region_is_the_one_that_is_read(code, monkeypatch):
    refused = ClientError({"Error": {"Code": code}}, "GetObject")
    message = str(s3_error("read", "s3://a/b", refused, signed=True))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(message.rpartition(" ")[2], "eu-central-1")
    _forget()
    assert client(None).meta.region_name == "eu-central-1"
    _forget()


def test_an_endpoint_that_does_not_answer_is_named_without_its_password(s3, hurried):
    sink = Sink(f"s3://{s3.bucket}/out", None, "http://me:sesame@127.0.0.1:9/x")
    with pytest.raises(StorageError, match=r"no answer from http://127\.0\.0\.1:9 \(") as caught:
        sink.open("a")
    assert "sesame" not in str(caught.value)
    # A store that refuses connections may be starting.
    assert len(hurried) == retry.ATTEMPTS - 1


def test_a_server_that_is_no_store_is_told_from_one(s3, tmp_path):
    (tmp_path / s3.bucket).mkdir()
    (tmp_path / s3.bucket / "a").write_bytes(b"<html>")
    with serving(tmp_path, ranges=False) as server:
        sink = Sink(f"s3://{s3.bucket}", None, server.url)
        with pytest.raises(StorageError, match="not that of S3; check --s3-endpoint"):
            sink.open("a")


def test_an_answer_that_does_not_come_is_asked_for_again(proxied, s3, monkeypatch):
    monkeypatch.setattr("texgen.storage.s3.client.READ_S", 0.5)
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


def test_large_files_go_up_in_parts(sink, s3, small_parts):
    commit(sink, "train/a.tar", small_parts)
    commit(sink, "train/a.tar", small_parts)
    assert s3.get("out/train/a.tar") == small_parts
    with pytest.raises(ShardConflictError):
        commit(sink, "train/a.tar", small_parts[::-1])
    assert s3.get("out/train/a.tar") == small_parts
    assert s3.uploads() == []


@pytest.mark.parametrize("parts", [False, True])
def test_a_file_that_is_damaged_on_its_way_is_never_there(sink, s3, small_parts, parts):
    data = small_parts if parts else b"tar"
    file, sha256 = draft(sink, data)
    file.write_bytes(data[:-1] + b"x")
    with pytest.raises(StorageError, match=r"\.part is damaged: .* and start again"):
        sink.commit(file, "train/a.tar", sha256)
    assert not s3.has("out/train/a.tar")
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
    Sink(f"s3://{s3.bucket}/out", Part(1, 2)).clear_scratch()
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
    assert not sink.store.checks_condition()
    with sink.lock(), pytest.raises(ConfigError, match="is being written by process"):
        Sink(f"s3://{s3.bucket}/out", None, proxy.url).lock().__enter__()


def test_a_store_is_asked_once_a_process(proxied):
    sink, proxy = proxied
    for number in range(3):
        commit(sink, f"train/{number}.tar", b"tar")
    assert sum("probe" in path for _, path in proxy.asked) == 2


def test_what_is_there_is_not_written_over_under_its_readers(proxied, s3):
    sink, proxy = proxied
    for _ in range(2):
        commit(sink, "_build/plan/train.arrow", b"plan", replace=True)
    assert [method for method, _ in proxy.asked] == ["HEAD", "PUT", "HEAD"]
    # Somebody has damaged the object and kept its metadata.
    about = {"sha256": hashlib.sha256(b"plan").hexdigest()}
    s3.put("out/_build/plan/train.arrow", b"pla", Metadata=about)
    commit(sink, "_build/plan/train.arrow", b"plan", replace=True)
    assert s3.get("out/_build/plan/train.arrow") == b"plan"


def test_tries_are_in_the_log_of_a_build(proxied, caplog):
    sink, proxy = proxied
    proxy.choose = once("slow_down", "PUT", times=2)
    sink.write("a", b"")
    messages = [record.getMessage() for record in caplog.records]
    assert [line[:12] for line in messages] == ["try 1 of 10:", "try 2 of 10:"]


def test_a_log_that_cannot_be_kept_costs_nothing(proxied):
    sink, proxy = proxied
    proxy.choose = lambda *_: "denied"
    sink.log_path().write_bytes(b"mine")
    sink.upload_log()
    assert sink.log_path().exists()


def test_credentials_are_in_no_error(proxied, monkeypatch):
    sink, proxy = proxied
    messages = []
    for fault in ("denied", "reset", "bare", "unknown"):
        proxy.choose = lambda *_, fault=fault: fault
        with pytest.raises(StorageError) as caught:
            sink.write("a", b"")
        messages.append(repr(caught.value))
    for url in (f"s3://{KEY}:{SECRET}@bucket/x", f"s3://{KEY}:x@bucket"):
        with pytest.raises(ConfigError) as refused:
            Sink(url)
        messages.append(str(refused.value))
    assert not [text for text in messages if KEY in text or SECRET in text or TOKEN in text]


def test_without_credentials_requests_are_not_signed(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    s3.put("out/a", b"public", ACL="public-read")
    sink = Sink(f"s3://{s3.bucket}/out")
    assert sink.open("a").read() == b"public"
    with Proxy(s3.endpoint, lambda *_: "denied") as proxy:
        sink = Sink(f"s3://{s3.bucket}/out", None, proxy.url)
        with pytest.raises(StorageError, match="no credentials; set AWS_ACCESS_KEY_ID"):
            sink.open("a")


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that accepts conditions and ignores them."""
    put = S3Store._put
    monkeypatch.setattr(S3Store, "_put", lambda self, p, c, s, _: put(self, p, c, s, {}))


def test_an_answer_that_breaks_off_outside_botocores_care_is_asked_for_again(hurried):
    answers = [ProtocolError("Connection broken", ConnectionResetError(104)), b"whole"]

    def call() -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def explain(error: Exception) -> StoreError:
        return s3_error("read", "s3://b/a", error, signed=True)

    assert retry.retried(call, explain) == b"whole"
    assert len(hurried) == 1
    answers[:] = [ProtocolError("Connection broken")] * 9
    with pytest.raises(
        StoreError, match=r"cannot read s3://b/a: no answer \(the connection broke\)"
    ):
        retry.retried(call, explain, attempts=2)
