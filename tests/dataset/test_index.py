from __future__ import annotations

import json
from pathlib import Path

import pytest

from texgen.core.errors import DatasetError
from texgen.core.layout import INDEX
from texgen.dataset.index import (
    Index,
    ManifestFile,
    ShardFile,
    SplitIndex,
    encode_index,
    read_index,
)
from texgen.storage import Sink

SPLIT = SplitIndex(
    3,
    5,
    1,
    ["ant", "bée"],
    [ManifestFile("manifest/train-00000.parquet", 99, "ab", 6)],
    [ShardFile("train/train-000000.tar", 10_240, "cd", 4), ShardFile("b.tar", 1, "ef", 1)],
)
CONFIG = {
    "engine": "stub", "engine_version": "1", "format": "png", "patch_size": 96, "seed": 0,
    "small_patch_size": 48, "textures_per_image": 2,
}  # fmt: skip
INDEX_ = Index("name", "f" * 64, CONFIG, {"train": SPLIT})


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    return Sink(tmp_path)


def test_an_index_comes_back_as_it_was_written(sink):
    sink.write(INDEX, encode_index(INDEX_))
    assert read_index(sink) == INDEX_


def test_the_card_has_the_fields_of_the_contract():
    card = json.loads(encode_index(INDEX_))
    fields = {"format", "version", "name", "fingerprint", "config", "splits"}
    # The contract may be added to.
    assert set(card) - fields == {"notice"}
    assert fields <= set(card)
    assert "non-commercial research" in card["notice"]
    assert (card["format"], card["version"]) == ("texgen-dataset", 1)
    train = card["splits"]["train"]
    assert set(train) == {"images", "textures", "failed", "classes", "manifest", "shards"}
    assert set(train["manifest"][0]) == {"path", "bytes", "sha256", "rows"}
    assert set(train["shards"][0]) == {"path", "bytes", "sha256", "samples"}


def test_the_bytes_do_not_depend_on_the_order_of_insertion():
    splits = {"val": SPLIT, "train": SPLIT}
    one = Index("n", "f", {"a": 1, "b": 2}, splits)
    other = Index("n", "f", {"b": 2, "a": 1}, dict(reversed(splits.items())))
    assert encode_index(one) == encode_index(other)


def test_an_out_without_an_index_is_no_finished_data_set(sink):
    with pytest.raises(
        DatasetError, match=r"index\.json.*no build either: name the OUT of a build"
    ):
        read_index(sink)
    sink.write("_build/plan.json", b"{}")
    with pytest.raises(DatasetError, match=r"index\.json.*texgen status.*texgen build.*resume"):
        read_index(sink)


CARD = json.loads(encode_index(INDEX_))
WHOLE = CARD["splits"]["train"]
DAMAGED = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "no object": b"[]",
    "null": b"null",
    "another format": {**CARD, "format": "wids"},
    "a later version": {**CARD, "version": 2},
    "no splits": {k: v for k, v in CARD.items() if k != "splits"},
    "splits as a list": {**CARD, "splits": []},
    "a split as a number": {**CARD, "splits": {"train": 1}},
    "a split without shards": {
        **CARD, "splits": {"train": {k: v for k, v in WHOLE.items() if k != "shards"}}
    },
    "shards as a number": {**CARD, "splits": {"train": {**WHOLE, "shards": 3}}},
    "a shard without a path": {**CARD, "splits": {"train": {**WHOLE, "shards": [{"bytes": 1}]}}},
    "a shard as a list": {**CARD, "splits": {"train": {**WHOLE, "shards": [[1, 2]]}}},
    "samples as text": {
        **CARD, "splits": {"train": {**WHOLE, "shards": [{**WHOLE["shards"][0], "samples": "4"}]}}
    },
    "a configuration as a list": {**CARD, "config": []},
    "a name as a number": {**CARD, "name": 5},
    "lists in lists without end": b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_index_is_an_error_that_names_it(sink, damage):
    data = DAMAGED[damage]
    sink.write(INDEX, data if isinstance(data, bytes) else json.dumps(data).encode())
    with pytest.raises(DatasetError, match=r"index\.json"):
        read_index(sink)


def test_a_later_version_may_not_be_read_as_this_one(sink):
    sink.write(INDEX, json.dumps({**CARD, "version": 2}).encode())
    with pytest.raises(DatasetError, match="2"):
        read_index(sink)


def test_an_index_that_may_not_be_read_is_not_said_to_be_missing(tmp_path):
    (tmp_path / "index.json").mkdir()
    with pytest.raises(DatasetError) as caught:
        read_index(Sink(tmp_path))
    assert "texgen build" not in str(caught.value)
