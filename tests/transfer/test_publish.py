"""`texgen publish` to a store, with and without failures."""

from __future__ import annotations

import contextlib
import json
import shlex
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import tree
from tests.support.proxy import Dealt, Proxy, once
from tests.support.store import KEY, SECRET, Store
from texgen.cli.main import run
from texgen.core.errors import ConfigError, DatasetError, LockedError, StorageError
from texgen.core.hashing import sha256_file
from texgen.core.layout import is_card_file
from texgen.dataset.index import read_index
from texgen.storage import Sink
from texgen.transfer import DownloadRequest, download, open_remote
from texgen.transfer.publish import PublishRequest, PublishSummary, publish
from texgen.transfer.publish_source import open_publish_source

SHARD = "train/train-000001.tar"


def published(
    out: Path | str, s3: Store, endpoint: str | None = None, prefix: str = "set", workers: int = 4
) -> PublishSummary:
    sink = Sink(f"s3://{s3.bucket}/{prefix}", None, endpoint)
    with open_publish_source(str(out), endpoint) as origin:
        return publish(origin, sink, PublishRequest(workers=workers), lambda done, total: None)


def everything(s3: Store, prefix: str = "set") -> dict[str, bytes]:
    """Objects below the prefix, those of ``_build`` too, without the data set card."""
    paths = [key.removeprefix(f"{prefix}/") for key in s3.keys(f"{prefix}/")]
    return {path: s3.get(f"{prefix}/{path}") for path in paths if not is_card_file(path)}


def card_files(s3: Store, prefix: str = "set") -> dict[str, bytes]:
    """Files of the data set card below the prefix."""
    paths = [key.removeprefix(f"{prefix}/") for key in s3.keys(f"{prefix}/")]
    return {path: s3.get(f"{prefix}/{path}") for path in paths if is_card_file(path)}


def part_of(finished: Path, out: Path) -> Path:
    """Some shards of a data set, as they are downloaded."""
    request = DownloadRequest(out, shards=range(2))
    download(open_remote(str(finished)), request, lambda done, total: None)
    return out


def test_a_folder_and_its_publication_hold_the_same_and_nothing_else(finished, s3):
    summary = published(finished, s3)
    assert everything(s3) == tree(finished)
    index = read_index(Sink(finished))
    total = sum(file.bytes for file in index.files)
    counts = (len(index.files), total, total, index.samples)
    assert summary == PublishSummary(*counts, card="written", is_imagenet=False)
    for file in index.files:
        about = s3.client.head_object(Bucket=s3.bucket, Key=f"set/{file.path}")
        assert about["Metadata"] == {"sha256": file.sha256}


def test_the_index_goes_last(finished, s3):
    with Proxy(s3.endpoint) as proxy:
        published(finished, s3, proxy.url)
    put = [path for method, path in proxy.asked if method == "PUT" and "/_build/" not in path]
    assert len(put) == len(tree(finished)) + len(card_files(s3))
    assert put[-2].endswith("/set/README.md")
    assert put[-1].endswith("/set/index.json")


def test_a_complete_set_costs_four_requests_and_no_permission_to_write(finished, s3):
    published(finished, s3)
    with Proxy(s3.endpoint) as proxy:
        assert published(finished, s3, proxy.url).sent == 0
    # Two lists, the index and the card.
    assert [method for method, _ in proxy.asked] == ["GET"] * 4


def test_files_that_are_there_are_not_sent_again(finished, s3):
    published(finished, s3)
    s3.client.delete_object(Bucket=s3.bucket, Key="set/index.json")
    s3.client.delete_object(Bucket=s3.bucket, Key=f"set/{SHARD}")
    # Another program wrote it, without its SHA-256.
    s3.put("set/val/val-000000.tar", (finished / "val" / "val-000000.tar").read_bytes())
    with Proxy(s3.endpoint) as proxy:
        summary = published(finished, s3, proxy.url)
    put = {path for method, path in proxy.asked if method == "PUT" and "/_build/" not in path}
    assert {path.partition("/set/")[2] for path in put} == {SHARD, "index.json"}
    assert summary.sent == (finished / SHARD).stat().st_size
    assert everything(s3) == tree(finished)


def test_a_shard_that_has_gone_from_a_complete_set_is_sent(finished, s3):
    published(finished, s3)
    s3.client.delete_object(Bucket=s3.bucket, Key=f"set/{SHARD}")
    assert published(finished, s3).sent == (finished / SHARD).stat().st_size
    assert everything(s3) == tree(finished)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": flipped,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("place", ["folder", "bucket"])
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named_and_never_published(name, place, out, s3):
    DAMAGE[name](out / SHARD)
    where = str(out)
    if place == "bucket":
        where = f"s3://{s3.bucket}/made"
        for path, data in tree(out).items():
            s3.put(f"made/{path}", data)
    with pytest.raises(DatasetError, match=rf"{SHARD} is damaged.*`texgen verify {where}`"):
        published(where, s3)
    assert not s3.has(f"set/{SHARD}")
    assert not s3.has("set/index.json")


def test_a_large_file_that_is_damaged_is_never_completed(out, s3, monkeypatch):
    monkeypatch.setattr("texgen.storage.s3.upload.MULTIPART_BYTES", 4000)
    flipped(out / SHARD)
    with pytest.raises(DatasetError, match=f"{SHARD} is damaged"):
        published(out, s3, workers=1)
    assert not s3.has(f"set/{SHARD}")
    assert s3.uploads() == []


def test_an_out_that_is_not_finished_is_refused(out, s3, capsys):
    (out / "index.json").unlink()
    for where in (out, out / "nowhere", f"s3://{s3.bucket}/nothing"):
        assert run(["publish", str(where), f"s3://{s3.bucket}/set"]) == 2
        assert "not a finished data set: it has no index.json" in capsys.readouterr().err
    assert s3.keys() == []


Edit = Callable[[Path], object]


def edited(**changes: Any) -> Edit:
    def edit(out: Path) -> None:
        card = json.loads((out / "index.json").read_text())
        (out / "index.json").write_text(json.dumps({**card, **changes}))

    return edit


def remade(out: Path) -> None:
    """Gives one shard of the data set other bytes, at its end, where no texture is."""
    data = (out / SHARD).read_bytes()
    (out / SHARD).write_bytes(data[:-1] + b"x")
    card = json.loads((out / "index.json").read_text())
    card["splits"]["train"]["shards"][1]["sha256"] = sha256_file(out / SHARD)
    (out / "index.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "interrupted", "said"),
    [(edited(fingerprint="0" * 64), False, "holds another data set"),
     (remade, False, f"{SHARD} exists with"), (remade, True, f"{SHARD} exists with")],
)  # fmt: skip
def test_another_data_set_is_refused_and_left_as_it_is(change, interrupted, said, out, s3, capsys):
    published(out, s3)
    if interrupted:
        s3.client.delete_object(Bucket=s3.bucket, Key="set/index.json")
    before = everything(s3)
    change(out)
    assert run(["publish", str(out), f"s3://{s3.bucket}/set", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "name another prefix" in error
    assert everything(s3) == before


@pytest.mark.parametrize(
    ("path", "said"),
    [("thesis.tex", "holds thesis.tex, which does not belong to this data set"),
     ("_build/plan.json", "is the OUT of a build"), ("index.json", "index.json is damaged"),
     ("train/train-000000.tar", "train-000000.tar exists with other bytes")],
)  # fmt: skip
def test_a_place_with_something_else_is_refused_before_anything_is_sent(finished, s3, path, said):
    s3.put(f"set/{path}", b"x")
    with pytest.raises(ConfigError, match=said):
        published(finished, s3)
    assert list(everything(s3)) == [path]


def test_a_part_becomes_the_whole_and_not_the_other_way_round(finished, s3, tmp_path):
    part = part_of(finished, tmp_path / "part")
    published(part, s3)
    assert everything(s3) == tree(part)
    summary = published(finished, s3)
    assert 0 < summary.sent < summary.bytes
    assert everything(s3) == tree(finished)
    with pytest.raises(ConfigError, match="holds more of this data set"):
        published(part, s3)
    assert everything(s3) == tree(finished)


@pytest.mark.parametrize("where", ["https://me:sesame@host/x", "gs://bucket/x", "s3://x"])
def test_a_place_of_an_unknown_kind_is_refused(finished, where, capsys):
    assert run(["publish", str(finished), where]) == 2
    error = capsys.readouterr().err
    assert "s3://bucket/prefix" in error
    assert "sesame" not in error


def test_a_bucket_is_not_published_into_itself(capsys):
    assert run(["publish", "s3://bucket/a", "s3://bucket/a/b"]) == 2
    assert "neither may lie inside the other" in capsys.readouterr().err


def test_faults_that_pass_leave_the_same_bytes(finished, s3, hurried, monkeypatch):
    monkeypatch.setattr("texgen.storage.s3.upload.MULTIPART_BYTES", 4000)
    with Proxy(s3.endpoint, Dealt(seed=2)) as proxy:
        published(finished, s3, proxy.url)
        assert sum(count for fault, count in proxy.met.items() if fault) > 2
    assert everything(s3) == tree(finished)
    assert s3.uploads() == []


def test_a_store_without_conditions_does_too(finished, s3, hurried):
    def choose(method: str, path: str) -> str | None:
        return "unknown" if method == "PUT" and path.endswith("/probe") else None

    with Proxy(s3.endpoint, choose) as proxy:
        published(finished, s3, proxy.url)
    assert everything(s3) == tree(finished)


@pytest.mark.parametrize("fault", ["denied", "slow_down"])
def test_a_store_that_fails_for_good_is_one_line_and_sent_files_stay(
    fault, finished, s3, hurried, capsys
):
    line = ["publish", str(finished), f"s3://{s3.bucket}/set", "--workers", "1", "--quiet"]
    bad = once(fault, "PUT", r"train-000001\.tar", times=99)
    with Proxy(s3.endpoint, bad) as proxy:
        assert run([*line, "--s3-endpoint", proxy.url]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"cannot write s3://{s3.bucket}/set/{SHARD}: the store says" in error
    assert not s3.has("set/index.json")
    sent = len(s3.keys("set/manifest/"))
    assert sent
    assert run(line) == 0
    assert everything(s3) == tree(finished)


def test_parts_of_large_files_that_were_left_are_thrown_away(finished, s3, monkeypatch, hurried):
    s3.client.create_multipart_upload(Bucket=s3.bucket, Key=f"set/{SHARD}")
    monkeypatch.setattr("texgen.storage.s3.upload.MULTIPART_BYTES", 4000)
    bad = once("denied", "PUT", "uploadId")
    with Proxy(s3.endpoint, bad) as proxy, pytest.raises(StorageError):
        published(finished, s3, proxy.url, workers=1)
    assert s3.uploads() == []


def test_a_second_publisher_is_refused_and_the_first_continues(finished, s3):
    sink = Sink(f"s3://{s3.bucket}/set")
    with sink.lock(), pytest.raises(LockedError, match="is being written by process"):
        published(finished, s3)
    published(finished, s3)
    assert everything(s3) == tree(finished)


@pytest.mark.parametrize("same", [True, False])
def test_of_two_without_a_lock_neither_writes_over_the_other(same, finished, out, s3, monkeypatch):
    barrier, ended = threading.Barrier(2), []
    if not same:
        remade(out)

    @contextlib.contextmanager
    def unlocked(self: Sink) -> Iterator[None]:
        # So it is when one was silent for so long that the other took its lease.
        barrier.wait(20)
        yield

    monkeypatch.setattr(Sink, "lock", unlocked)

    def race(place: Path) -> None:
        try:
            ended.append(published(place, s3))
        except ConfigError as error:
            ended.append(error)

    threads = [threading.Thread(target=race, args=(place,)) for place in (finished, out)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    errors = [error for error in ended if isinstance(error, ConfigError)]
    assert len(ended) == 2
    if same:
        assert not errors
        assert s3.tree("set") == tree(finished)
    else:
        assert errors
        assert all("exists with other bytes" in str(error) for error in errors)


def test_the_command_prints_the_download_command(finished, s3, tmp_path, capsys):
    line = ["publish", str(finished), f"s3://{s3.bucket}/set/"]
    assert run(line) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("12 textures in 7 files, ")
    given = shlex.split(said[-1])
    assert given[:2] == ["texgen", "download"]
    assert run([*given[1:-1], str(tmp_path / "got")]) == 0
    assert tree(tmp_path / "got") == tree(finished)
    capsys.readouterr()
    assert run([*line, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["sent"] == 0
    assert summary["download"] == said[-1]
    assert not any(secret in " ".join(said) for secret in (KEY, SECRET))


def test_a_build_in_a_bucket_is_published_to_another_prefix(finished, s3):
    for path in sorted(finished.rglob("*")):
        if path.is_file():
            s3.put(f"made/{path.relative_to(finished).as_posix()}", path.read_bytes())
    assert s3.keys("made/_build/")
    published(f"s3://{s3.bucket}/made", s3)
    assert everything(s3) == tree(finished)
    assert not list(Path(tempfile.gettempdir()).glob("texgen-*/*"))
