"""Every command on independent S3 servers: killed in the middle, full, and without rights."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command, tree
from tests.faults.conftest import SMALL, BadWorker
from tests.faults.s3_servers import Garage, S3sFs
from tests.support.archives import write_folder, write_parquet, write_tar, write_webdataset
from texgen.core.errors import ShardConflictError
from texgen.dataset.random_access import TextureStore
from texgen.dataset.streaming import webdataset
from texgen.storage import Sink, open_store
from texgen.storage.errors import ChangedFileError
from texgen.storage.s3 import store, upload
from texgen.storage.s3.client import _forget

pytestmark = [pytest.mark.slow, pytest.mark.faults]

AnyServer = Garage | S3sFs
OUT = "s3://bucket/out"
BUILD = (*SMALL, "--no-ray", "--quiet")


@pytest.fixture(params=[Garage, S3sFs], ids=["garage", "s3s-fs"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AnyServer]:
    """A new server, to which the environment points."""
    yield from started(request.param, tmp_path, monkeypatch)


@pytest.fixture
def garage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Garage]:
    """A server that supports keys with fewer rights, quotas and web sites."""
    yield from started(Garage, tmp_path, monkeypatch)


def started(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    folder = tmp_path / "server"
    folder.mkdir()
    running = kind(folder)
    # The variables in this process's environment serve two servers, one after the other.
    monkeypatch.setattr(store, "_atomic", {})
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    _forget()
    yield running
    running.kill()
    _forget()


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_commands_do_on_a_server_what_they_do_in_a_folder(
    server, forty, undisturbed, texgen, tmp_path
):
    ok(texgen("build", "--src", forty, "--out", OUT, *BUILD))
    assert server.tree("out") == tree(undisturbed)
    assert json.loads(ok(texgen("status", OUT, "--json")))["state"] == "finished"
    ok(texgen("build", "--src", forty, "--out", OUT, *BUILD))
    ok(texgen("verify", OUT, "--deep", "--src", forty))
    ok(texgen("inspect", OUT))
    ok(texgen("report", OUT, "--html", tmp_path / "report.html"))
    ok(texgen("export", OUT, "--to", tmp_path / "folders"))
    assert len(list((tmp_path / "folders").rglob("*.png"))) == 40
    for _ in range(2):
        ok(texgen("publish", OUT, "s3://bucket/public set/ü"))
    assert server.tree("public set/ü") == tree(undisturbed)
    ok(texgen("download", "s3://bucket/public set/ü", "--out", tmp_path / "down", "--quiet"))
    assert tree(tmp_path / "down") == tree(undisturbed)
    stream = webdataset(OUT, shuffle=0, decode=None)
    assert {sample["__key__"] for sample in stream} == set(TextureStore(undisturbed).keys())
    there, here = TextureStore(OUT), TextureStore(undisturbed)
    assert list(there.keys()) == list(here.keys())
    assert all(there.read(key) == here.read(key) for key in list(here.keys()))


ODD = ["ant", "a b", "ü~é", "100%+&=?#", "字"]
FORMS: dict[str, Callable[[Path, dict[str, bytes]], str]] = {
    "folder": lambda root, files: str(write_folder(root, files) and ""),
    "tar": lambda root, files: write_tar(root / "all.tar", files.items()).name,
    "webdataset": lambda root, files: write_webdataset(root, files) and "{000000..000001}.tar",
    "parquet": lambda root, files: write_parquet(root / "train.parquet", files).name,
}


@pytest.mark.parametrize("form", FORMS)
def test_images_from_a_server_give_what_they_give_from_a_folder(
    form, server, forty, texgen, tmp_path
):
    image_source = [path.read_bytes() for path in sorted(forty.rglob("*.JPEG"))[:15]]
    files = {f"{ODD[n % 5]}/{n:02} ü.jpg": data for n, data in enumerate(image_source)}
    root = tmp_path / "src" / "train"
    what = FORMS[form](root, files)
    client = server.client()
    for path in root.rglob("*"):
        if path.is_file():
            key = f"src/train/{path.relative_to(root).as_posix()}"
            client.put_object(Bucket="bucket", Key=key, Body=path.read_bytes())
    for place, src in (("there", "s3://bucket/src/train"), ("here", str(root))):
        where = f"{src}/{what}".rstrip("/")
        ok(texgen("build", "--src", where, "--out", tmp_path / place, *BUILD))
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert len(tree(tmp_path / "here")) > 2


def slow_build(forty: Path, bad_worker: BadWorker, seconds: float = 0.1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("build", "--src", forty, "--out", OUT, *BUILD),
        env=bad_worker("slow", seconds=seconds),
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_shards(server: AnyServer, process: subprocess.Popen[str], number: int) -> None:
    client, deadline = server.client(), time.monotonic() + 90
    while client.list_objects_v2(Bucket="bucket", Prefix="out/train/")["KeyCount"] < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_build_that_is_killed_goes_on_to_the_same_bytes(
    server, forty, undisturbed, bad_worker, texgen
):
    process = slow_build(forty, bad_worker)
    wait_for_shards(server, process, 2)
    process.kill()
    process.communicate()
    ok(texgen("build", "--src", forty, "--out", OUT, *BUILD))
    assert server.tree("out") == tree(undisturbed)


def test_a_server_that_is_killed_and_started_again_ends_no_build(
    server, forty, undisturbed, bad_worker
):
    process = slow_build(forty, bad_worker)
    for number in (1, 3):
        wait_for_shards(server, process, number)
        server.kill()
        time.sleep(0.5)
        server.start()
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert server.tree("out") == tree(undisturbed)


def test_a_download_and_a_publication_wait_for_a_server_that_comes_back(
    server, undisturbed, tmp_path
):
    lines = (["publish", undisturbed, "s3://bucket/set"],
             ["download", "s3://bucket/set", "--out", tmp_path / "down", "--quiet"])  # fmt: skip
    for line in lines:
        server.kill()
        process = subprocess.Popen(command(*line), stderr=subprocess.PIPE, text=True)
        time.sleep(3)
        server.start()
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
    assert server.tree("set") == tree(tmp_path / "down") == tree(undisturbed)


def test_of_two_builds_at_once_one_is_told_of_the_other(
    server, forty, undisturbed, bad_worker, texgen
):
    # On a busy machine the second takes many seconds to start.
    first = slow_build(forty, bad_worker, seconds=1)
    wait_for_shards(server, first, 1)
    second = texgen("build", "--src", forty, "--out", OUT, *BUILD)
    assert second.returncode == 2
    assert f"{OUT} is being written by process {first.pid}" in second.stderr
    first.communicate(timeout=200)
    assert first.returncode == 0
    assert server.tree("out") == tree(undisturbed)


def test_an_object_is_never_written_over_by_other_bytes(server):
    sink = Sink("s3://bucket/race")
    assert sink.store.checks_condition() == isinstance(server, S3sFs)
    sink.send(b"first", "a.tar", _sha256(b"first"))
    sink.send(b"first", "a.tar", _sha256(b"first"))
    with pytest.raises(ShardConflictError):
        sink.send(b"other", "a.tar", _sha256(b"other"))
    assert sink.open("a.tar").read() == b"first"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_large_files_go_up_in_parts_and_what_was_cut_off_is_cleared(server, monkeypatch):
    monkeypatch.setattr(upload, "MULTIPART_BYTES", 1 << 20)
    monkeypatch.setattr(upload, "_PART_BYTES", 5 << 20)
    sink, data = Sink("s3://bucket/parts"), bytes(range(256)) * (12 << 12)
    client = server.client()
    client.create_multipart_upload(Bucket="bucket", Key="parts/cut off")
    for _ in range(2):
        sink.send(data, "a.tar", _sha256(data))
    assert sink.open("a.tar").read() == data
    with pytest.raises(ShardConflictError):
        sink.send(data[::-1], "a.tar", _sha256(data[::-1]))
    assert sink.sha256_of("a.tar") == _sha256(data)
    # s3s-fs cannot list them.
    sink.store.discard_uploads()
    if isinstance(server, Garage):
        assert not client.list_multipart_uploads(Bucket="bucket").get("Uploads")


def test_long_lists_come_page_by_page(server):
    client = server.client()
    keys = [f"long/{number % 2}/{number:04}" for number in range(1050)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: client.put_object(Bucket="bucket", Key=key, Body=b"x"), keys))
    there = open_store("s3://bucket/long")
    assert len(list(there.list())) == 1050
    assert [(entry.name, entry.is_folder()) for entry in there.scan("")] == [
        (b"0", True),
        (b"1", True),
    ]
    assert len(list(there.scan("1"))) == 525


def test_an_object_that_changes_while_it_is_read_is_found_out(server):
    there = open_store("s3://bucket/changes")
    there.put("a", b"x" * 100)
    file = there.open("a")
    assert file.read_at(0, 10) == b"x" * 10
    there.put("a", b"y" * 100)
    # s3s-fs ignores If-Match.
    with pytest.raises(ChangedFileError):
        file.read_at(10, 10)


def refused(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """``code`` is 2 where the command refuses an option before any work, and 1 otherwise."""
    assert done.returncode == code
    assert done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr


def test_refusals_are_one_line_each(server, forty, texgen):
    build = ("build", "--src", forty, "--out")
    wrong = server.environment((server.key[0], "wrong" * 8))
    # s3s-fs has error codes, but no messages.
    words = "(its words: Forbidden: " if isinstance(server, Garage) else "the store says "
    refused(texgen(*build, OUT, *BUILD, env=wrong), 2, words)
    unknown = server.environment(("GK" + "0" * 24, "wrong" * 8))
    done = texgen(*build, OUT, *BUILD, env=unknown)
    refused(done, 2, "s3://bucket/out", words)
    assert "0" * 24 not in done.stderr
    assert isinstance(server, Garage) or "name a key that this store knows" in done.stderr
    refused(texgen(*build, OUT, *BUILD, env=server.environment(("", ""))), 2, "no credentials")
    refused(texgen(*build, "s3://nobucket/out", *BUILD), 2, "there is no such bucket")
    refused(texgen("status", "s3://nobucket/out"), 1, "there is no such bucket")
    refused(texgen("verify", OUT), 1, f"cannot read {OUT}/index.json: it is not there")
    refused(texgen("plan", "--src", "s3://nobucket/src"), 2, "there is no such bucket")


def test_garages_own_words_stand_beside_ours(garage, forty, undisturbed, texgen, tmp_path):
    key = garage.new_key("reader")
    garage.allow(key[0], "--read")
    reader = garage.environment(key)
    build = ("build", "--src", forty, "--out", OUT, *BUILD)
    refused(
        texgen(*build, env=reader),
        2,
        "AccessDenied; give these credentials the permissions that docs/s3.md lists",
        "(its words: Forbidden: Operation is not allowed for this key)",
    )
    ok(texgen("publish", undisturbed, "s3://bucket/set"))
    ok(texgen("status", "s3://bucket/set", env=reader))
    ok(texgen("verify", "s3://bucket/set", env=reader))
    ok(texgen("download", "s3://bucket/set", "--out", tmp_path / "down", env=reader))
    assert tree(tmp_path / "down") == tree(undisturbed)
    garage.admin("bucket", "set-quotas", "bucket", "--max-size", "100KiB")
    refused(
        texgen(*build),
        2,
        "the store says AccessDenied; make room there, or raise the quota",
        "(its words: Forbidden: Bucket size quota is reached, maximum total size",
    )
    garage.admin("bucket", "set-quotas", "bucket", "--max-size", "1GiB")
    ok(texgen(*build))
    assert garage.tree("out") == tree(undisturbed)


def test_a_data_set_is_downloaded_from_garages_web_site(garage, undisturbed, texgen, tmp_path):
    ok(texgen("publish", undisturbed, "s3://bucket/a set"))
    # The host name of a site is the name of its bucket.
    garage.admin("bucket", "alias", "bucket", "localhost")
    url = f"http://localhost:{garage.web}/a set/index.json"
    refused(texgen("download", url, "--out", tmp_path / "down"), 1, "the server answers 404")
    garage.admin("bucket", "website", "--allow", "localhost")
    anonymous = garage.environment(("", ""))
    ok(texgen("download", url, "--out", tmp_path / "down", env=anonymous))
    assert tree(tmp_path / "down") == tree(undisturbed)
