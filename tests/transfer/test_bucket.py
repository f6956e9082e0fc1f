"""`texgen download` from buckets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.proxy import BAD_DAY, Dealt, Proxy, once
from tests.support.store import Store
from texgen.cli.main import run
from texgen.core.errors import DatasetError
from texgen.storage.s3 import client, store
from texgen.transfer import DownloadRequest, DownloadSummary, download, open_remote
from texgen.transfer.fetch import RemoteError

SHARD = "train/train-000001.tar"


@pytest.fixture
def hosted(s3: Store, finished: Path, hurried: list[int]) -> str:
    """A finished data set in a bucket."""
    for path, data in tree(finished).items():
        s3.put_at_once(f"set/{path}", data)
    return f"s3://{s3.bucket}/set"


@pytest.fixture
def proxy(s3: Store) -> Iterator[Proxy]:
    with Proxy(s3.endpoint) as opened:
        yield opened


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes per request, so few that a shard needs several."""
    monkeypatch.setattr(store.S3Store, "stream_bytes", 1000)
    return 1000


def fetched(url: str, out: Path, endpoint: str, **options: object) -> DownloadSummary:
    remote = open_remote(url, endpoint)
    return download(remote, DownloadRequest(out, **options), lambda done, total: None)


def of_shard(proxy: Proxy) -> int:
    return sum(SHARD in path for _, path in proxy.asked)


def test_every_file_comes_in_pieces_and_nothing_else(hosted, proxy, pieces, finished, tmp_path):
    summary = fetched(hosted, tmp_path / "out", proxy.url)
    assert tree(tmp_path / "out") == tree(finished)
    assert summary.fetched == summary.bytes > 0
    assert of_shard(proxy) == -(-(finished / SHARD).stat().st_size // pieces)
    assert {method for method, _ in proxy.asked} == {"GET"}
    proxy.asked.clear()
    assert fetched(hosted, tmp_path / "out", proxy.url).fetched == 0
    assert {path.rpartition("/")[2] for _, path in proxy.asked} == {"index.json"}


def test_a_bad_day_leaves_the_same_bytes(hosted, proxy, pieces, finished, tmp_path):
    proxy.choose = Dealt(seed=4)
    fetched(hosted, tmp_path / "out", proxy.url)
    assert min(proxy.met[fault] for fault in BAD_DAY) > 1
    assert tree(tmp_path / "out") == tree(finished)


def test_a_broken_download_goes_on_in_the_middle_of_a_shard(
    hosted, proxy, pieces, finished, tmp_path
):
    left = [3]

    def choose(method: str, path: str) -> str | None:
        left[0] -= SHARD in path
        return "denied" if SHARD in path and left[0] < 0 else None

    proxy.choose = choose
    with pytest.raises(RemoteError, match=rf"cannot read {hosted}/{SHARD}: .*AccessDenied"):
        fetched(hosted, tmp_path / "out", proxy.url, workers=1)
    assert not (tmp_path / "out" / "index.json").exists()
    before = of_shard(proxy)
    proxy.choose = lambda *_: None
    fetched(hosted, tmp_path / "out", proxy.url)
    whole = -(-(finished / SHARD).stat().st_size // pieces)
    assert of_shard(proxy) - before == whole - 3
    assert tree(tmp_path / "out") == tree(finished)


def test_wrong_bytes_are_fetched_once_more(hosted, proxy, finished, tmp_path):
    proxy.choose = once("garbled", "GET", SHARD)
    fetched(hosted, tmp_path / "out", proxy.url)
    assert of_shard(proxy) == 2
    assert tree(tmp_path / "out") == tree(finished)


def test_bytes_that_stay_wrong_are_an_error(hosted, proxy, tmp_path):
    proxy.choose = once("garbled", "GET", SHARD, times=9)
    with pytest.raises(
        DatasetError, match=f"{SHARD}: the fetched bytes do not have the SHA-256 in the index"
    ):
        fetched(hosted, tmp_path / "out", proxy.url)
    assert of_shard(proxy) == 2
    assert not (tmp_path / "out" / SHARD).exists()
    assert not (tmp_path / "out" / "index.json").exists()


@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_an_object_of_another_size_is_an_error(change, hosted, proxy, s3, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    data = s3.get(f"set/{SHARD}")
    s3.put(f"set/{SHARD}", data[:-9] if change == "shorter" else data + b"x")
    with pytest.raises((RemoteError, DatasetError), match=SHARD):
        fetched(hosted, tmp_path / "out", proxy.url)
    assert not (tmp_path / "out" / "index.json").exists()


def test_an_object_that_changes_meanwhile_is_not_mixed(
    hosted, proxy, pieces, s3, tmp_path, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    data = s3.get(f"set/{SHARD}")
    left = [3]

    def choose(method: str, path: str) -> str | None:
        left[0] -= SHARD in path
        if left[0] == 0:
            # The same bytes again: only their date tells them from the first.
            s3.put(f"set/{SHARD}", data[:-1] + b"x")
        return None

    proxy.choose = choose
    with pytest.raises(DatasetError, match=f"{SHARD}: the fetched bytes do not"):
        fetched(hosted, tmp_path / "out", proxy.url)


def test_a_public_bucket_needs_no_credentials(hosted, s3, finished, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    client._forget()
    with pytest.raises(RemoteError, match="AccessDenied, and there are no credentials; set AWS_"):
        fetched(hosted, tmp_path / "out", s3.endpoint)
    for key in s3.keys("set/"):
        s3.client.put_object_acl(Bucket=s3.bucket, Key=key, ACL="public-read")
    fetched(hosted, tmp_path / "out", s3.endpoint)
    assert tree(tmp_path / "out") == tree(finished)


def test_the_command_takes_a_bucket_and_its_parts(hosted, s3, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    line = ["download", hosted, "--out", str(tmp_path / "out"), "--s3-endpoint", s3.endpoint]
    assert run([*line, "--split", "train", "--shards", "1-2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 3
    assert json.loads((tmp_path / "out" / "index.json").read_text())["partial"]
    shutil.rmtree(tmp_path / "out")
    assert run([*line, "--shards", "9"]) == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [("s3://{}/nothing", 1), ("s3://no-such-bucket-here/x", 1), ("s3://x", 2), ("s3://k:p@b/x", 2)],
)
def test_a_place_without_a_data_set_is_one_line(url, code, s3, tmp_path, capsys):
    assert run(["download", url.format(s3.bucket), "--out", str(tmp_path / "out")]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "s3://" in said
    assert not (tmp_path / "out").exists()
