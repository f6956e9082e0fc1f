"""Publishing to and downloading from a Hub with the real client, with and without failures."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.hub import BAD_DAY, Hub
from tests.support.proxy import Dealt, once
from texgen.cli.main import run
from texgen.core.layout import is_card_file
from texgen.storage.hub.client import hub_client
from texgen.transfer import publish_hub

NAME, URL = "lab/textures", "hf://datasets/lab/textures"
SHARD = "train/train-000001.tar"


def publish(out: Path | str, *more: str, url: str = URL) -> int:
    return run(["publish", str(out), url, "--license", "other", "--quiet", *more])


def download(to: Path, *more: str, url: str = URL) -> int:
    return run(["download", url, "--out", str(to), "--quiet", *more])


def become(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the rest of a test another user's."""
    monkeypatch.setenv("HF_TOKEN", token or "")
    hub_client.cache_clear()


def data_of(hub: Hub, name: str = NAME) -> dict[str, bytes]:
    return {path: data for path, data in hub.tree(name).items() if not is_card_file(path)}


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes several commits of a small data set."""
    monkeypatch.setattr(publish_hub, "COMMIT_FILES", 3)


def test_what_is_published_is_downloaded_byte_for_byte(hub, finished, tmp_path):
    assert publish(finished) == 0
    assert data_of(hub) == tree(finished)
    assert {p for p in hub.tree(NAME) if is_card_file(p)} == {
        "README.md",
        *(f"_card/{number}.png" for number in range(1, 7)),
    }
    assert download(tmp_path / "got") == 0
    assert tree(tmp_path / "got") == tree(finished)


def test_the_last_commit_brings_index_and_card(hub, finished, small_commits):
    publish(finished)
    commits = list(hub.repos[NAME].commits.values())
    # An empty one, three of at most three files, and the last.
    assert len(commits) == 5
    for before, after in itertools.pairwise(commits[:-1]):
        assert len(after.keys() - before.keys()) <= 3
        assert not {"index.json", "README.md"} & after.keys()
    assert {"index.json", "README.md"} <= commits[-1].keys()


def test_a_complete_set_is_not_sent_again_and_makes_no_commit(hub, finished, capsys):
    publish(finished)
    commits, sent = len(hub.repos[NAME].commits), sum(hub.sent.values())
    assert publish(finished, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sent"] == 0
    assert (len(hub.repos[NAME].commits), sum(hub.sent.values())) == (commits, sent)
    assert hub.requests("POST", "/preupload/") == 2


def test_a_part_grows_into_the_whole_and_not_the_other_way_round(hub, finished, tmp_path, capsys):
    part = tmp_path / "part"
    run(["download", str(finished), "--out", str(part), "--shards", "0-1", "--quiet"])
    assert publish(part) == 0
    assert data_of(hub) == tree(part)
    assert b"a part of the data set" in hub.tree(NAME)["README.md"]
    assert publish(finished) == 0
    assert data_of(hub) == tree(finished)
    assert b"a part of the data set" not in hub.tree(NAME)["README.md"]
    assert max(hub.sent.values()) == 1
    capsys.readouterr()
    assert publish(part) == 2
    assert "holds more of this data set" in capsys.readouterr().err


def test_a_build_in_a_bucket_is_published_too(hub, s3, finished):
    for path, data in tree(finished).items():
        s3.put_at_once(f"made/{path}", data)
    assert publish(f"s3://{s3.bucket}/made") == 0
    assert data_of(hub) == tree(finished)
    assert run(["publish", str(finished), URL, "--license", "other", "--quiet"]) == 0
    # The card is the same, wherever OUT lies.
    assert len(hub.repos[NAME].commits) == 3


def test_a_hub_that_keeps_shards_in_git_gets_them_from_a_bucket(hub, s3, finished, monkeypatch):
    # A repository's .gitattributes decide that; these files are sent with the commit.
    monkeypatch.setattr("tests.support.hub_api.LARGE", ())
    for path, data in tree(finished).items():
        s3.put_at_once(f"made/{path}", data)
    assert publish(f"s3://{s3.bucket}/made") == 0
    assert data_of(hub) == tree(finished)


def test_splits_and_shards_are_selected(hub, finished, tmp_path):
    publish(finished)
    assert download(tmp_path / "got", "--split", "train", "--shards", "1-1") == 0
    assert set(tree(tmp_path / "got")) == {
        "index.json", "manifest/train-00000.parquet", SHARD
    }  # fmt: skip


def test_a_revision_is_downloaded_as_it_was(hub, finished, tmp_path):
    publish(finished)
    commit = hub.repos[NAME].head
    hub.add(NAME, {SHARD: b"something else"})
    assert download(tmp_path / "got", url=f"{URL}@{commit}") == 0
    assert tree(tmp_path / "got") == tree(finished)
    assert download(tmp_path / "other") == 1


def test_a_commit_in_the_middle_of_a_download_is_not_mixed_in(hub, finished, tmp_path):
    publish(finished)

    def before(method: str, path: str) -> None:
        if path.endswith("/index.json"):
            hub.add(NAME, {SHARD: b"something else"})

    hub.before = before
    assert download(tmp_path / "got") == 0
    assert tree(tmp_path / "got") == tree(finished)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bad_day_leaves_the_same_bytes(seed, hub, finished, tmp_path, small_commits):
    hub.choose = Dealt(seed, BAD_DAY, of=24)
    assert publish(finished) == 0
    assert data_of(hub) == tree(finished)
    assert download(tmp_path / "got") == 0
    assert tree(tmp_path / "got") == tree(finished)
    assert sum(hub.met[fault] for fault in BAD_DAY) > 5


@pytest.mark.parametrize("fault", ["lost", "reset", "error", "busy", "cut"])
def test_a_commit_whose_answer_is_lost_is_made_once(fault, hub, finished, small_commits):
    hub.choose = once(fault, "POST", "/commit/", times=2)
    assert publish(finished) == 0
    assert data_of(hub) == tree(finished)
    assert len(hub.repos[NAME].commits) == 5


def test_a_commit_of_somebody_else_in_between_is_kept(hub, finished, small_commits):
    others = [{"LICENSE": b"terms"}]

    def before(method: str, path: str) -> None:
        if method == "POST" and "/commit/" in path and others:
            hub.add(NAME, others.pop())

    hub.before = before
    assert publish(finished) == 0
    assert not others
    assert hub.tree(NAME)["LICENSE"] == b"terms"
    assert {**tree(finished), "LICENSE": b"terms"} == data_of(hub)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("notes.txt", "holds notes.txt, which does not belong"),
        ("train/train-000009.tar", "which does not belong"),
        (SHARD, "exists with other bytes"),
        ("_build/plan.json", "is the OUT of a build"),
    ],
)
def test_a_repository_with_something_else_is_refused(path, said, hub, finished, capsys):
    hub.add(NAME, {path: b"x"})
    assert publish(finished) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "name another repository" in error
    assert set(hub.tree(NAME)) == {path}


def test_a_repository_that_others_keep_changing_is_one_line(hub, finished, capsys):
    def before(method: str, path: str) -> None:
        if method == "POST" and "/commit/" in path:
            hub.add(NAME, {})

    hub.before = before
    assert publish(finished) == 1
    error = capsys.readouterr().err
    assert f"cannot write {URL}: somebody else has changed it meanwhile; run again" in error
    assert error.count("\n") == 1


def test_another_data_set_is_refused(hub, finished, out, capsys):
    publish(finished)
    index = json.loads((out / "index.json").read_text())
    (out / "index.json").write_text(json.dumps({**index, "fingerprint": "0" * 64}))
    before = hub.tree(NAME)
    assert publish(out) == 2
    assert "holds another data set" in capsys.readouterr().err
    assert hub.tree(NAME) == before


def test_a_damaged_shard_is_named_and_never_committed(hub, out, capsys):
    data = bytearray((out / SHARD).read_bytes())
    data[-1] ^= 1
    (out / SHARD).write_bytes(data)
    assert publish(out) == 1
    assert f"{SHARD} is damaged: it differs from index.json" in capsys.readouterr().err
    assert not {SHARD, "index.json"} & hub.tree(NAME).keys()


def test_wrong_bytes_from_the_hub_are_refused(hub, finished, tmp_path, capsys):
    publish(finished)
    sha256 = hub.repos[NAME].commits[hub.repos[NAME].head][SHARD]
    hub.blobs[sha256] = hub.blobs[sha256][:-1] + b"x"
    assert download(tmp_path / "got") == 1
    assert f"{SHARD}: the fetched bytes do not have the SHA-256" in capsys.readouterr().err
    assert not (tmp_path / "got" / "index.json").exists()


def test_a_broken_download_resumes_in_the_middle_of_a_shard(hub, finished, tmp_path):
    publish(finished)
    sha256 = hub.repos[NAME].commits[hub.repos[NAME].head][SHARD]
    size = len(hub.blobs[sha256])
    hub.choose = once("cut", "GET", f"/objects/{sha256}")
    assert download(tmp_path / "got") == 0
    assert hub.requests("GET", f"/objects/{sha256}") == 2
    assert hub.served[sha256] == size + size // 2
    assert tree(tmp_path / "got") == tree(finished)
