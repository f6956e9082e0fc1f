from __future__ import annotations

import itertools
import json
import multiprocessing
import pickle
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.proxy import Proxy
from tests.support.store import KEY, SECRET, Store
from texgen import TextureStore, webdataset
from texgen.cli.main import run
from texgen.core.errors import DatasetError
from texgen.dataset import shard_reader
from texgen.dataset.reader import Dataset
from texgen.storage import Sink, open_store
from texgen.storage.ranges import BlockCache
from texgen.verify import verify


@pytest.fixture
def uploaded(s3: Store, finished: Path) -> str:
    """A finished data set, all of it, in a bucket."""
    for path in sorted(finished.rglob("*")):
        if path.is_file():
            s3.put_at_once(f"out/{path.relative_to(finished).as_posix()}", path.read_bytes())
    return f"s3://{s3.bucket}/out"


def test_verify_reads_a_bucket_as_it_reads_a_folder(uploaded, s3):
    report = verify(Sink(uploaded), workers=2)
    assert (report.faults, report.textures > 0) == ([], True)
    name = next(key for key in s3.keys("out/train/") if key.endswith(".tar"))
    s3.put(name, s3.get(name)[:-1] + b"x")
    report = verify(Sink(uploaded), workers=2)
    assert report.faults == [
        f"{name.removeprefix('out/')}: its SHA-256 is not the one in the index"
    ]


def test_the_commands_take_a_bucket(uploaded, s3, capsys, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    there = ["--s3-endpoint", s3.endpoint]
    assert run(["verify", uploaded, *there]) == 0
    assert f"{uploaded}: no fault" in capsys.readouterr().out
    assert run(["status", uploaded, "--json", *there]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    name = next(key for key in s3.keys("out/train/") if key.endswith(".tar"))
    s3.put(name, b"")
    assert run(["verify", uploaded, *there]) == 1
    output = capsys.readouterr().out
    assert f"aws s3 --endpoint-url {s3.endpoint} rm s3://{s3.bucket}/{name}" in output


WRONG = ("s3://no-such-bucket-here/x", "s3://b", "gs://x/y")


@pytest.mark.parametrize(
    ("command", "where"),
    [
        *itertools.product(("build", "plan", "verify", "status"), WRONG),
        ("verify", "s3://{}/nothing"),
    ],
)
def test_a_place_that_does_not_exist_is_one_line(s3, image_source, capsys, where, command):
    out = where.format(s3.bucket)
    source = ["--src", str(image_source), "--engine", "stub", "--out"]
    plans = command in {"build", "plan"}
    code = run([command, *(source if plans else []), out])
    output = capsys.readouterr().err
    assert code == (2 if plans or where in {"s3://b", "gs://x/y"} else 1)
    assert output.count("\n") == 1
    assert output.startswith("texgen: ")
    assert "Traceback" not in output


def test_a_bucket_that_may_not_be_written_is_refused_before_any_work(s3, image_source, capsys):
    options = ["--src", str(image_source), "--engine", "stub", "--no-ray", "--quiet"]
    with Proxy(s3.endpoint, lambda method, _: "denied" if method == "PUT" else None) as proxy:
        where = ["--out", f"s3://{s3.bucket}/new", "--s3-endpoint", proxy.url]
        assert run(["build", *options, *where]) == 2
    output = capsys.readouterr().err
    assert "AccessDenied; give these credentials the permissions" in output
    assert s3.keys() == []


def test_an_endpoint_with_a_password_is_refused_and_not_shown(capsys):
    assert run(["status", "s3://bucket/x", "--s3-endpoint", f"http://{KEY}:{SECRET}@host"]) == 2
    output = capsys.readouterr().err
    assert "--s3-endpoint" in output
    assert SECRET not in output


def test_neither_of_src_and_out_may_lie_in_the_other(capsys):
    for one, other in (("s3://bucket/a", "s3://bucket/a/b"), ("s3://bucket", "s3://bucket/x")):
        assert run(["build", "--src", one, "--out", other, "--engine", "stub"]) == 2
        assert "neither may lie inside the other" in capsys.readouterr().err


def test_a_store_gives_the_same_bytes_as_from_a_folder(uploaded, finished):
    local, remote = TextureStore(finished), TextureStore(uploaded)
    assert list(local.keys()) == list(remote.keys())
    for position in (0, len(local) - 1, len(local) // 2, 0):
        assert remote.read(position) == local.read(position)
    assert remote[0].shape == local[0].shape
    with pytest.raises(KeyError, match="no texture has the key"):
        remote.read("nobody")


def test_textures_that_lie_together_cost_one_request(s3, uploaded):
    with Proxy(s3.endpoint) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        shard_reader._shared_blocks.cache_clear()
        from texgen.storage.s3 import client

        client._forget()
        store = TextureStore(uploaded)
        proxy.asked.clear()
        for position in range(4):
            store.read(position)
        assert len(proxy.asked) == len({store._shard_of[n] for n in range(4)})
    client._forget()


def test_the_cache_is_bounded(s3):
    blocks = BlockCache(10, 3)
    file = open_store(f"s3://{s3.bucket}").open("a")
    s3.put("a", bytes(range(100)))
    for start in (0, 35, 12, 90, 0, 95):
        end = min(100, start + 23)
        assert blocks.read(file, start, end - start) == bytes(range(start, end))
    assert len(blocks._blocks) == 3


def test_a_shard_that_changes_is_found_out_and_can_be_opened_again(s3, monkeypatch):
    blocks = BlockCache(10, 3)
    monkeypatch.setattr(shard_reader, "_shared_blocks", lambda: blocks)
    s3.put("a", bytes(range(100)))
    shards = shard_reader.ShardReader(f"s3://{s3.bucket}")
    assert shards.read("a", 0, 5) == bytes(range(5))
    s3.put("a", bytes(100))
    with pytest.raises(DatasetError, match="has changed; open the data set again"):
        shards.read("a", 40, 60)
    assert shard_reader.ShardReader(f"s3://{s3.bucket}").read("a", 0, 60) == bytes(60)


def _read(store: TextureStore, pipe: object) -> None:
    pipe.send(store.read(1))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_is_handed_to_processes(uploaded, finished, method):
    store = TextureStore(uploaded)
    store.read(0)
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=_read, args=(store, there), daemon=True)
    process.start()
    assert here.poll(120)
    assert here.recv() == TextureStore(finished).read(1)
    process.join(30)


def copied(pipeline: object) -> object:
    """The copy that a spawned worker gets."""
    return pickle.loads(pickle.dumps(pipeline))  # noqa: S301


def test_a_stream_gives_the_same_samples_as_from_a_folder(uploaded, finished):
    local = list(webdataset(finished, shuffle=0, decode=None))
    piped = copied(webdataset(uploaded, shuffle=0, decode=None))
    for one, other in zip(local, piped, strict=True):
        assert {k: v for k, v in one.items() if k != "__url__"} == {
            k: v for k, v in other.items() if k != "__url__"
        }


def test_a_dataset_reads_rows_and_images(uploaded, finished):
    local, remote = Dataset(Sink(str(finished))), Dataset(Sink(uploaded))
    key = next(row["key"] for row in local.rows("train") if row["status"] == "ok")
    (_, one), (_, other) = local.row(key), remote.row(key)
    assert one == other
    assert local.image(one) == remote.image(other)
    assert len(tree(finished)) > 3
    with pytest.raises(DatasetError, match=r"no finished data set: .*it is not there"):
        Dataset(Sink(f"{uploaded}/train"))


def test_names_are_listed_as_they_are(proxied, s3):
    sink, proxy = proxied
    names = {"a+b", "a b", "a%20b", "100%+&=?#", "字"}
    for name in names:
        s3.put(f"out/{name}/x", b"")
    assert {entry.name.decode() for entry in sink.store.scan("")} == names
    assert {path for path, _ in sink.store.list()} == {f"{name}/x" for name in names}
    assert not [path for _, path in proxy.asked if "encoding-type" in path]
