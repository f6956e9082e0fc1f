"""`texgen download` from a server that fails in every way."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import tree
from tests.support.file_server import Handler, serving
from tests.support.proxy import Proxy
from texgen.cli.main import run
from texgen.core.errors import ConfigError, DatasetError
from texgen.dataset.random_access import TextureStore
from texgen.storage import Sink
from texgen.transfer import DownloadRequest, DownloadSummary, download, open_remote
from texgen.transfer.fetch import RemoteError
from texgen.verify import verify

SHARD = "train/train-000001.tar"


def fetched(url: str, out: Path, **options: Any) -> DownloadSummary:
    return download(open_remote(url), DownloadRequest(out, **options), lambda done, total: None)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.mark.parametrize("prefix", ["http", "file", "path"])
def test_every_file_comes_and_nothing_else_is_left(prefix, finished, tmp_path):
    with serving(finished) as server:
        url = {"http": server.url, "file": f"file://{finished}", "path": str(finished)}[prefix]
        summary = fetched(url, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(finished)
    assert not (tmp_path / "out" / "_build").exists()
    index = json.loads((finished / "index.json").read_text())
    files = [f for s in index["splits"].values() for f in (*s["manifest"], *s["shards"])]
    total = sum(file["bytes"] for file in files)
    assert (summary.files, summary.bytes, summary.fetched) == (len(files), total, total)
    assert not verify(Sink(tmp_path / "out")).faults


def test_a_complete_set_is_not_fetched_again(finished, tmp_path):
    with serving(finished) as server:
        fetched(server.url, tmp_path / "out")
        server.asked.clear()
        assert fetched(server.url, tmp_path / "out").fetched == 0
        assert set(server.asked) == {"index.json"}


def once(path: str, act: Callable[[Handler, bytes], None]) -> Callable[[Handler, bytes], bool]:
    """Has the first request for ``path`` answered by ``act``."""
    done = []

    def fault(handler: Handler, data: bytes) -> bool:
        if handler.path.lstrip("/") != path or done:
            return False
        done.append(True)
        act(handler, data)
        return True

    return fault


def reset(handler: Handler, data: bytes) -> None:
    handler.answer(data[: len(data) // 2], length=len(data))
    handler.wfile.flush()
    # The connection is reset instead of closed.
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True


FAULTS: dict[str, Callable[[Handler, bytes], None]] = {
    "500": lambda handler, data: handler.send_error(500),
    "503": lambda handler, data: handler.send_error(503),
    "cut": lambda handler, data: handler.answer(data[: len(data) // 2], length=len(data)),
    "short": lambda handler, data: handler.answer(data[: len(data) // 2]),
    "wrong": lambda handler, data: handler.answer(bytes(len(data))),
    "empty": lambda handler, data: handler.answer(b""),
    "reset": reset,
}


@pytest.mark.parametrize("path", [SHARD, "manifest/train-00000.parquet", "index.json"])
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("ranges", [True, False])
def test_a_fault_that_passes_leaves_the_same_bytes(name, path, ranges, finished, tmp_path):
    if path == "index.json" and name in {"wrong", "short", "empty"}:
        pytest.skip("an index has no sum that it could be held to")
    with serving(finished, once(path, FAULTS[name]), ranges=ranges) as server:
        fetched(server.url, tmp_path / "out")
        assert server.asked[path] >= 2
    assert tree(tmp_path / "out") == tree(finished)


def test_many_faults_at_random_leave_the_same_bytes(finished, tmp_path):
    rng = random.Random(3)

    def fault(handler: Handler, data: bytes) -> bool:
        if rng.random() > 0.4 or handler.path == "/index.json":
            return False
        FAULTS[rng.choice([name for name in FAULTS if name != "wrong"])](handler, data)
        return True

    for _ in range(20):
        try:
            with serving(finished, fault) as server:
                fetched(server.url, tmp_path / "out")
            break
        except RemoteError:
            assert not (tmp_path / "out" / "index.json").exists()
    assert tree(tmp_path / "out") == tree(finished)


def test_bytes_that_arrived_are_not_fetched_again(finished, tmp_path):
    out = tmp_path / "out"
    asked: list[int] = []

    def fault(handler: Handler, data: bytes) -> bool:
        if handler.path.lstrip("/") != SHARD:
            return False
        asked.append(handler.begin())
        # Only half of what is left, each time.
        half = handler.begin() + (len(data) - handler.begin()) // 2
        handler.answer(data[:half], length=len(data) - handler.begin())
        return True

    with serving(finished, fault) as server, pytest.raises(RemoteError, match=SHARD):
        fetched(server.url, out)
    assert asked == sorted(asked)
    assert asked[-1] > 0
    begun: list[int] = []

    def watch(handler: Handler, data: bytes) -> bool:
        # Other files may not have been fetched before the error, if the machine is busy.
        if handler.path.lstrip("/") == SHARD:
            begun.append(handler.begin())
        return False

    with serving(finished, watch) as server:
        assert fetched(server.url, out).fetched > 0
    assert len(begun) == 1
    assert begun[0] > asked[-1]
    assert tree(out) == tree(finished)


def test_a_sum_that_stays_wrong_is_an_error_and_the_other_files_are_kept(finished, tmp_path):
    def fault(handler: Handler, data: bytes) -> bool:
        if handler.path.lstrip("/") == SHARD:
            handler.answer(bytes(len(data)))
            return True
        return False

    with (
        serving(finished, fault) as server,
        pytest.raises(
            DatasetError, match=f"{SHARD}: the fetched bytes do not have the SHA-256 in the index"
        ),
    ):
        fetched(server.url, tmp_path / "out", workers=1)
    assert server.asked[SHARD] == 2
    assert not (tmp_path / "out" / "index.json").exists()
    assert not (tmp_path / "out" / SHARD).exists()


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_shard_that_was_cut_off_where_it_is_published_is_named(
    scheme, finished, tmp_path, request
):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / SHARD).chmod(0o644)
    (copy / SHARD).write_bytes((copy / SHARD).read_bytes()[:1000])
    with (
        hosted(copy, scheme, request) as (url, _),
        pytest.raises(RemoteError, match=f"{SHARD} ends before byte 1000, .*; tell whoever"),
    ):
        fetched(url, tmp_path / "out")


def test_a_server_that_sends_too_much_is_stopped(finished, tmp_path):
    def fault(handler: Handler, data: bytes) -> bool:
        if handler.path.lstrip("/") == SHARD:
            handler.answer(data + bytes(1 << 22))
            return True
        return False

    with serving(finished, fault) as server, pytest.raises(DatasetError, match="more than the"):
        fetched(server.url, tmp_path / "out")


def test_a_missing_file_is_one_error_without_retries(finished, tmp_path):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / SHARD).unlink()
    with serving(copy) as server, pytest.raises(RemoteError, match=f"{SHARD}: .*404"):
        fetched(server.url, tmp_path / "out")
    assert server.asked[SHARD] == 1


Edit = Callable[[dict[str, Any]], object]
Hosted = tuple[str, Callable[[], set[str]]]


def shard(index: dict[str, Any], number: int = 0) -> dict[str, Any]:
    entry: dict[str, Any] = index["splits"]["train"]["shards"][number]
    return entry


HOSTILE: dict[str, Edit] = {
    "absolute": lambda index: shard(index).update(path="/etc/cron.d/x"),
    "parent": lambda index: shard(index).update(path="train/../../train-000000.tar"),
    "another host": lambda index: shard(index).update(path="http://elsewhere/train-000000.tar"),
    "duplicate": lambda index: shard(index, 1).update(path="train/train-000000.tar"),
    "another split's": lambda index: shard(index).update(path="val/val-000000.tar"),
    "manifest": lambda index: index["splits"]["train"]["manifest"][0].update(path="index.json"),
    "huge": lambda index: shard(index).update(bytes=10**18),
    "negative": lambda index: shard(index).update(bytes=-1),
    "no sum": lambda index: shard(index).update(sha256="../x"),
    "split name": lambda index: index["splits"].update({"../x": index["splits"].pop("val")}),
    "build as a split": lambda index: index["splits"].update(
        {"_build": index["splits"].pop("val")}
    ),
    "dot": lambda index: index["splits"].update({".": index["splits"].pop("val")}),
    "no splits": lambda index: index["splits"].clear(),
    "fingerprint": lambda index: index.update(fingerprint="../../x"),
}


@contextlib.contextmanager
def hosted(root: Path, scheme: str, request: pytest.FixtureRequest) -> Iterator[Hosted]:
    """The URL of a data set, and the requests that its server got."""
    if scheme == "http":
        with serving(root) as server:
            yield server.url, lambda: set(server.asked)
        return
    s3 = request.getfixturevalue("s3")
    for path, data in tree(root).items():
        s3.put_at_once(f"set/{path}", data)
    with Proxy(s3.endpoint) as proxy:
        request.getfixturevalue("monkeypatch").setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield (
            f"s3://{s3.bucket}/set",
            lambda: {path.partition("/set/")[2].partition("?")[0] for _, path in proxy.asked},
        )


@pytest.mark.parametrize("scheme", ["http", "s3"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_index_is_refused_and_nothing_is_written(
    name, scheme, finished, tmp_path, request
):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    index = json.loads((copy / "index.json").read_text())
    HOSTILE[name](index)
    (copy / "index.json").write_text(json.dumps(index))
    with hosted(copy, scheme, request) as (url, asked):
        with pytest.raises((DatasetError, ConfigError)):
            fetched(url, tmp_path / "out")
        assert asked() == {"index.json"}
    assert not any(p.is_file() for p in (tmp_path / "out").rglob("*") if p.name != "lock"
                   and p.name != "fingerprint")  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_index_without_end_is_refused(scheme, finished, tmp_path, request, monkeypatch):
    monkeypatch.setattr("texgen.transfer.fetch.MAX_INDEX_BYTES", 1000)
    with (
        hosted(finished, scheme, request) as (url, _),
        pytest.raises(DatasetError, match=r"cannot be trusted: it has over 1\.0 kB"),
    ):
        fetched(url, tmp_path / "out")


@pytest.mark.parametrize("link", ["train", "manifest", "_build"])
def test_links_in_out_are_not_followed(link, finished, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / link).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is a link"):
        fetched(str(finished), out)
    assert not list(elsewhere.iterdir())


def test_an_out_with_something_else_is_refused(finished, out, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="is not empty"):
        fetched(str(finished), other)
    index = out / "index.json"
    index.write_text(index.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(ConfigError, match="holds another data set"):
        fetched(str(finished), out)


def test_too_little_room_is_reported_before_anything_is_fetched(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(Sink, "free_bytes", lambda self: 1000)
    with serving(finished) as server:
        with pytest.raises(ConfigError, match=r"needs .*, and 1\.0 kB are free"):
            fetched(server.url, tmp_path / "out")
        assert set(server.asked) == {"index.json"}


def test_one_split_is_a_data_set_of_its_own(finished, tmp_path):
    fetched(str(finished), tmp_path / "out", splits=("val",))
    assert not (tmp_path / "out" / "train").exists()
    assert not verify(Sink(tmp_path / "out")).faults
    assert len(TextureStore(tmp_path / "out", "val")) == 2
    with pytest.raises(ConfigError, match="has only train, val"):
        fetched(str(finished), tmp_path / "no", splits=("test",))
    fetched(str(finished), tmp_path / "out")
    assert tree(tmp_path / "out") == tree(finished)


def test_some_shards_are_a_data_set_of_their_own(finished, tmp_path):
    out = tmp_path / "out"
    summary = fetched(str(finished), out, splits=("train",), shards=range(1, 3))
    assert sorted(p.name for p in (out / "train").iterdir()) == [
        "train-000001.tar",
        "train-000002.tar",
    ]
    store = TextureStore(out)
    assert len(store) == summary.samples > 0
    whole = TextureStore(finished)
    here = [store.read(position) for position in range(len(store))]
    assert here == list(map(whole.read, store.keys()))
    assert not verify(Sink(out)).faults
    with pytest.raises(ConfigError, match="--shards 7-9: no split has more than 4 shards"):
        fetched(str(finished), tmp_path / "no", shards=range(7, 10))
    fetched(str(finished), out)
    assert tree(out) == tree(finished)


def test_a_second_download_adds_to_the_files_of_the_first(finished, tmp_path):
    out = tmp_path / "out"
    fetched(str(finished), out, splits=("val",))
    fetched(str(finished), out, splits=("train",), shards=range(3))
    summary = fetched(str(finished), out, splits=("train",), shards=range(1))
    assert summary.fetched == 0
    assert not verify(Sink(out)).faults
    assert len(TextureStore(out, "val")) == 2
    assert len(TextureStore(out)) + 2 == summary.samples
    assert len(list((out / "train").iterdir())) == 3
    fetched(str(finished), out, shards=range(3, 4))
    assert tree(out) == tree(finished)


def test_a_complete_set_stays_complete_whatever_part_of_it_is_asked_for(finished, tmp_path):
    fetched(str(finished), tmp_path / "out")
    fetched(str(finished), tmp_path / "out", splits=("train",), shards=range(1))
    assert tree(tmp_path / "out") == tree(finished)


def test_files_of_a_broken_download_are_in_the_index_of_the_next(finished, tmp_path):
    def fault(handler: Handler, data: bytes) -> bool:
        if handler.path.lstrip("/") == SHARD:
            handler.send_error(404)
            return True
        return False

    out = tmp_path / "out"
    with serving(finished, fault) as server, pytest.raises(RemoteError):
        fetched(server.url, out, workers=1)
    with serving(finished) as server:
        fetched(server.url, out, splits=("val",))
    assert not verify(Sink(out)).faults
    assert (out / "train" / "train-000000.tar").exists()
    assert not (out / SHARD).exists()


@pytest.fixture
def cut_off(finished, tmp_path) -> Path:
    """A download that lacks one shard."""
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / SHARD).unlink()
    others = set(threading.enumerate())
    with pytest.raises(RemoteError):
        fetched(str(copy), tmp_path / "cut", workers=1)
    # A thread may be fetching the rest of another file.
    for thread in set(threading.enumerate()) - others:
        thread.join()
    return tmp_path / "cut"


@pytest.mark.parametrize("command", ["verify", "inspect", "status", "export"])
def test_an_unfinished_download_is_sent_to_download(command, cut_off, tmp_path, capsys):
    more = ["--to", str(tmp_path / "files")] if command == "export" else []
    assert run([command, str(cut_off), *more]) == 1
    said = capsys.readouterr().err
    assert "run `texgen download URL --out DIR` again to finish it" in said
    assert "texgen build" not in said


def test_an_unfinished_download_is_not_built_over(cut_off, image_source, capsys):
    before = tree(cut_off)
    command = ["--src", str(image_source), "--out", str(cut_off), "--quiet", "--json"]
    assert run(["build", "--no-ray", *command]) == 2
    assert "OUT holds an unfinished download" in capsys.readouterr().err
    assert tree(cut_off) == before
    assert run(["build", "--no-ray", "--overwrite", *command]) == 2
    assert "holds an unfinished download: " in capsys.readouterr().err


@pytest.mark.parametrize("data", [b"not here", b"", b'{"format": 1}', b'{"version'])
@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_invalid_index_is_named_by_its_url(data, scheme, finished, tmp_path, request):
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / "index.json").write_bytes(data)
    with (
        hosted(copy, scheme, request) as (url, _),
        pytest.raises(DatasetError, match=f"^{url}/?index.json: .*damaged .*; check URL") as caught,
    ):
        fetched(url, tmp_path / "out")
    assert "build" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "file://"])
@pytest.mark.parametrize("inside", [".", "in"])
def test_a_data_set_is_not_copied_into_itself(prefix, inside, out, capsys):
    before = tree(out)
    assert run(["download", f"{prefix}{out}", "--out", str(out / inside)]) == 2
    assert "lies in" in capsys.readouterr().err
    assert tree(out) == before


@pytest.mark.parametrize("text", ["9-0", "a", "-1", "1-", "0-9-9"])
def test_an_invalid_range_of_shards_is_refused(text, finished, tmp_path, capsys):
    command = ["download", str(finished), "--out", str(tmp_path / "o"), f"--shards={text}"]
    assert run(command) == 2
    assert "expected a range such as 0-9" in capsys.readouterr().err


def test_a_url_of_an_unknown_kind_and_a_place_without_a_data_set_are_named(tmp_path, capsys):
    assert run(["download", "ftp://host/x", "--out", str(tmp_path / "o")]) == 2
    assert run(["download", str(tmp_path / "none"), "--out", str(tmp_path / "o")]) == 1
    assert run(["download", "http://127.0.0.1:9/", "--out", str(tmp_path / "o")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "Connection refused" in errors[2]


def test_a_secret_in_a_url_is_in_no_error(finished, tmp_path):
    with serving(finished, lambda handler, data: handler.send_error(403) or True) as server:
        with pytest.raises(RemoteError) as caught:
            fetched(f"{server.url}/?X-Amz-Signature=SECRET", tmp_path / "out")
        assert "SECRET" not in str(caught.value)
    with serving(finished) as server:
        fetched(f"{server.url}/?X-Amz-Signature=SECRET", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(finished)


@pytest.mark.parametrize("scheme", ["https", "ftp", "s3"])
def test_a_password_in_a_url_is_refused_and_not_shown(scheme, tmp_path, capsys):
    assert run(["download", f"{scheme}://me:sesame@host/x", "--out", str(tmp_path / "out")]) == 2
    assert "sesame" not in capsys.readouterr().err


def test_two_downloads_into_one_folder_exclude_each_other(finished, tmp_path):
    request = DownloadRequest(tmp_path / "out")
    with Sink(tmp_path / "out").lock(), pytest.raises(ConfigError, match="being written by"):
        download(open_remote(str(finished)), replace(request, workers=1), lambda *_: None)


def test_the_command_prints_the_result(finished, tmp_path, capsys):
    command = ["download", str(finished), "--out", str(tmp_path / "out")]
    assert run(command) == 0
    assert capsys.readouterr().out.startswith("12 textures in 7 files, ")
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fetched"] == 0
