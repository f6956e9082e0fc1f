"""Which shards count as finished, and which a run still has to make."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builds import remaining
from texgen.core.config import Part
from texgen.core.layout import record_path, shard_path
from texgen.dataset.plan import load_plan
from texgen.storage import Sink

SHARDS = {("train", index) for index in range(4)} | {("val", 0)}


def test_all_shards_of_a_finished_data_set_are_found(out, small_source):
    there = remaining(out, small_source).records
    assert set(there) == SHARDS
    assert sum(record.failed for record in there.values()) == 2


def cut_shard(out: Path) -> None:
    path = out / "train" / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:-512])


def drop_shard(out: Path) -> None:
    (out / "train" / "train-000001.tar").unlink()


def drop_record(out: Path) -> None:
    (out / record_path("train", 1)).unlink()


def empty_record(out: Path) -> None:
    (out / record_path("train", 1)).write_bytes(b"")


def cut_record(out: Path) -> None:
    path = out / record_path("train", 1)
    path.write_bytes(path.read_bytes()[:100])


def cut_record_rows(out: Path) -> None:
    path = out / record_path("train", 1)
    path.write_bytes(path.read_bytes()[:-200])


def foreign_record(out: Path) -> None:
    path = out / record_path("train", 1)
    data = path.read_bytes()
    at = data.index(b'"fingerprint": "') + len(b'"fingerprint": "')
    stream = data[:at] + b"0" * 64 + data[at + 64 : -32]
    path.write_bytes(stream + hashlib.sha256(stream).digest())


@pytest.mark.parametrize(
    "damage",
    [cut_shard, drop_shard, drop_record, empty_record, cut_record, cut_record_rows, foreign_record],
)
def test_a_shard_that_does_not_fit_its_record_is_made_again(out, small_source, damage):
    damage(out)
    there = remaining(out, small_source).records
    assert set(there) == SHARDS - {("train", 1)}
    assert not (out / "train" / "train-000001.tar").exists()
    assert (out / "train" / "train-000000.tar").exists()


def test_what_is_left_are_the_shards_without_a_record(out, small_source):
    assert remaining(out, small_source).rows == 0
    (out / "_build" / "records" / "val-000000.arrow").unlink()
    found = remaining(out, small_source)
    assert found.missing == (("val", 0),)
    assert found.rows == 2
    assert not found.retried


@given(st.integers(1, 9))
def test_parts_share_the_shards_out_among_them(finished_plan, count):
    shards = list(finished_plan.shards())
    held = [
        [s for position, s in enumerate(shards) if Part(number, count).holds(position)]
        for number in range(1, count + 1)
    ]
    assert sorted(itertools.chain(*held)) == sorted(shards)
    assert max(map(len, held)) - min(map(len, held)) <= 1


@pytest.fixture(scope="module")
def finished_plan(finished):
    return load_plan(Sink(finished))


def test_a_part_leaves_the_unfinished_shards_of_others_alone(out, small_source):
    for name in ("train-000000", "train-000001"):
        (out / "_build" / "records" / f"{name}.arrow").unlink()
    found = remaining(out, small_source, Part(1, 2))
    assert found.missing == (("train", 0),)
    assert not (out / "train" / "train-000000.tar").exists()
    assert (out / "train" / "train-000001.tar").exists()


def test_a_retry_sets_the_records_of_failed_rows_aside_and_keeps_their_tars(out, small_source):
    failed = [r for r in remaining(out, small_source).records.values() if r.failed]
    found = remaining(out, small_source, retry_failed=True)
    assert found.missing == tuple((r.split, r.index) for r in failed)
    assert found.retried == set(found.missing)
    assert not (out / "index.json").exists()
    for record in failed:
        assert (out / record.path).exists()
        assert not (out / record_path(record.split, record.index)).exists()
    # If the run is killed now, the next one continues the retry, whatever its options.
    again = remaining(out, small_source)
    assert again.retried == found.retried
    assert all((out / record.path).exists() for record in failed)


def test_what_was_set_aside_does_not_keep_a_tar_that_is_not_it(out, small_source):
    found = remaining(out, small_source, retry_failed=True)
    path = out / shard_path(*found.missing[0])
    path.write_bytes(b"another")
    remaining(out, small_source)
    assert not path.exists()
