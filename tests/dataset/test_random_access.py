"""Random access to textures."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import texgen
from tests.conftest import make_source
from tests.support.builds import request
from texgen.build import SilentMonitor, build
from texgen.core.errors import DatasetError
from texgen.dataset.random_access import MissingTextureError, TextureStore
from texgen.dataset.reader import Dataset
from texgen.storage import Sink


@pytest.fixture(scope="module")
def store(finished: Path) -> TextureStore:
    return TextureStore(finished)


def textured_rows(finished: Path, split: str = "train") -> list[dict]:
    return [row for row in Dataset(Sink(finished)).rows(split) if row["status"] == "ok"]


def test_it_holds_every_texture_by_key_and_by_position(store, finished):
    rows = textured_rows(finished)
    assert len(store) == len(rows)
    assert list(store.keys()) == [row["key"] for row in rows]
    assert store.labels.tolist() == [row["label"] for row in rows]
    for position, row in enumerate(rows):
        data = (finished / row["shard"]).read_bytes()[row["offset"] :][: row["length"]]
        assert store.read(row["key"]) == store.read(position) == data
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert np.array_equal(store[row["key"]], expected)
        assert store[position].dtype == np.uint8
        assert store.key(position) == row["key"]
        assert store.position(row["key"]) == position
        assert row["key"] in store
    assert store.key(-1) == rows[-1]["key"]


def test_all_textures_of_an_image_are_found_by_its_key(store):
    assert [store.key(p) for p in store.positions("ant/ant_000")] == [
        "ant/ant_000",
        "ant/ant_000+001",
    ]
    # No image is called "ant/ant_00", but other keys begin with it.
    assert not store.positions("ant/ant_00")
    assert not store.positions("zebra")


@given(st.text(max_size=12))
def test_a_key_that_is_not_there_is_an_error_and_never_another_texture(store, key):
    if key not in set(store.keys()):
        assert key not in store
        with pytest.raises(KeyError):
            store[key]


def test_what_is_missing_says_why(store, finished):
    with pytest.raises(MissingTextureError, match=r"^'ant/broken' has no texture: image_unread"):
        store["ant/broken"]
    with pytest.raises(MissingTextureError, match=r"^no texture has the key 'ant_001'; near it: "):
        store["ant_001"]
    with pytest.raises(MissingTextureError, match="is in the split 'train', not in 'val'"):
        TextureStore(finished, "val")["bee/bee_001"]


@pytest.mark.parametrize("position", [10**6, -(10**6)])
def test_a_position_outside_is_an_index_error(store, position):
    with pytest.raises(IndexError, match="there are"):
        store[position]


def test_a_split_that_is_not_there_is_named(finished):
    with pytest.raises(DatasetError, match=r"no split 'test'; it has train, val"):
        TextureStore(finished, "test")


def test_an_unfinished_build_has_no_store(tmp_path):
    with pytest.raises(DatasetError, match="no finished data set"):
        TextureStore(tmp_path)


def test_a_shard_that_is_gone_or_cut_is_named(out):
    store = TextureStore(out)
    first = out / "train" / "train-000000.tar"
    first.chmod(0o644)
    os.truncate(first, 1024)
    with pytest.raises(DatasetError, match=r"train-000000\.tar is cut off; .*`texgen verify`"):
        store[0]
    (out / "train" / "train-000002.tar").unlink()
    with pytest.raises(DatasetError, match=r"train-000002\.tar cannot be read"):
        store[len(store) // 2 + 1]


def read_all(store: TextureStore, answers: multiprocessing.SimpleQueue) -> None:
    answers.put([store.read(position) for position in range(len(store))])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_that_are_forked_or_spawned_read_the_same(method, finished):
    store = TextureStore(finished)
    mine = [store.read(position) for position in range(len(store))]
    context = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    # Daemons, so that a process that hangs at its end does not keep the tests from ending.
    workers = [
        context.Process(target=read_all, args=(store, answers), daemon=True) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    assert [answers.get() for _ in workers] == [mine, mine]
    for worker in workers:
        worker.join(30)


def test_a_pickle_of_it_is_small(store):
    assert len(pickle.dumps(store)) < 500
    assert list(pickle.loads(pickle.dumps(store)).keys()) == list(store.keys())  # noqa: S301


def test_it_is_in_the_package(finished):
    assert texgen.TextureStore is TextureStore
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        texgen.Nothing  # noqa: B018


def test_a_split_without_images_is_an_empty_store(tmp_path):
    source = make_source(tmp_path / "src" / "train", {"ant": 1}, (50, 40))
    (tmp_path / "src" / "val" / "ant").mkdir(parents=True)
    build(request(source.parent, tmp_path / "out"), SilentMonitor())
    store = TextureStore(tmp_path / "out", "val")
    assert len(store) == 0
    assert "ant/ant_000" not in store
    assert not store.positions("ant/ant_000")
