"""Reading a finished data set by key."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from texgen.core.errors import DatasetError
from texgen.dataset.reader import Dataset, _shares
from texgen.storage import Sink


def test_rows_of_a_split_come_in_key_order_and_can_be_asked_for_by_key(finished: Path) -> None:
    dataset = Dataset(Sink(finished))
    rows = list(dataset.rows("train"))
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    assert len(rows) == 2 * dataset.index.splits["train"].images
    for row in rows:
        assert dataset.row(row["key"]) == ("train", row)
    assert next(iter(dataset.rows("train", ["key"]))) == {"key": rows[0]["key"]}


def test_a_texture_is_read_from_its_shard(finished: Path) -> None:
    dataset = Dataset(Sink(finished))
    for row in dataset.sample("val", 2):
        with Image.open(io.BytesIO(dataset.image(row))) as texture:
            assert texture.size == (16, 16)


def test_a_sample_is_spread_and_has_textures_only(finished: Path) -> None:
    dataset = Dataset(Sink(finished))
    textures = [row["key"] for row in dataset.rows("train") if row["status"] == "ok"]
    assert [row["key"] for row in dataset.sample("train", 5)] == textures[::2]
    assert [row["key"] for row in dataset.sample("train", 99)] == textures


def test_a_key_that_is_not_there_is_named_with_those_near_it(finished: Path) -> None:
    dataset = Dataset(Sink(finished))
    with pytest.raises(
        DatasetError, match="no texture has the key 'bee_001'; near it: bee/bee_001"
    ):
        dataset.row("bee_001")
    with pytest.raises(DatasetError, match=r"no texture has the key .wasp.$"):
        dataset.row("wasp")


def test_a_failed_row_and_a_damaged_shard_have_no_texture(out: Path) -> None:
    dataset = Dataset(Sink(out))
    rows = list(dataset.rows("train"))
    failed = next(row for row in rows if row["status"] == "failed")
    with pytest.raises(DatasetError, match="image_unreadable"):
        dataset.image(failed)
    whole = next(row for row in rows if row["status"] == "ok")
    path = out / whole["shard"]
    data = bytearray(path.read_bytes())
    data[whole["offset"] + 20] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="is damaged"):
        dataset.image(whole)


def test_several_splits_may_have_one_key(finished: Path) -> None:
    dataset = Dataset(Sink(finished))
    assert [split for split, _ in dataset.rows_of_key("ant/ant_000")] == ["train", "val"]
    assert dataset.row("ant/ant_000")[0] == "train"
    assert dataset.row("ant/ant_000", "val")[0] == "val"
    with pytest.raises(DatasetError, match="no split 'test'; there are train, val"):
        dataset.row("ant/ant_000", "test")


@pytest.mark.parametrize("damage", ["cut", "columns"])
def test_a_manifest_that_cannot_be_read_is_named(out: Path, damage: str) -> None:
    path = out / "manifest" / "train-00000.parquet"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        pq.write_table(pq.read_table(path).drop_columns(["status"]), path)
    dataset = Dataset(Sink(out))
    for read in (lambda: list(dataset.rows("train")), lambda: dataset.sample_textures(3),
                 lambda: dataset.row("ant/ant_000")):  # fmt: skip
        with pytest.raises(DatasetError, match=r"train-00000\.parquet"):
            read()


def test_a_spread_takes_from_every_split_in_key_order(finished: Path) -> None:
    dataset = Dataset(Sink(finished))
    assert [split for split, _ in dataset.sample_textures(2)] == ["train", "val"]
    everything = dataset.sample_textures(999)
    assert [row["key"] for _, row in everything] == [
        row["key"] for split in ("train", "val") for row in dataset.rows(split)
        if row["status"] == "ok"
    ]  # fmt: skip
    assert dataset.sample_textures(0) == []


@given(sizes=st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 50)),
       count=st.integers(0, 120))  # fmt: skip
def test_shares_add_up_and_leave_no_split_out(sizes: dict[str, int], count: int) -> None:
    shares = _shares(sizes, count)
    there = {name for name in sizes if sizes[name]}
    assert sum(shares.values()) == min(count, sum(sizes.values()))
    assert all(0 < shares[name] <= sizes[name] for name in shares)
    if count >= len(there):
        assert set(shares) == there
