from __future__ import annotations

import shutil

import pytest

from tests.support.damage import edit_index
from texgen.dataset.reader import Dataset
from texgen.report.times import read_times
from texgen.storage import Sink


def times(out):
    sink = Sink(out)
    return read_times(sink, Dataset(sink).index)


def test_all_shards_of_a_build_are_there(finished):
    measured = times(finished)
    assert measured.names == [f"train-00000{i}" for i in range(4)] + ["val-000000"]
    assert (measured.shards > 0).all()
    assert (measured.textures, measured.missing) == (12, 0)
    assert set(measured.parts) == {"decode", "schedule", "load", "synthesis", "encoding"}
    assert measured.parts["decode"] > 0
    spent = sum(measured.parts.values())
    assert measured.rest_s == pytest.approx(max(0, measured.shards.sum() - spent))


def test_records_that_are_gone_damaged_or_of_another_build_are_missing(out):
    records = sorted((out / "_build" / "records").iterdir())
    records[0].unlink()
    records[1].write_bytes(records[1].read_bytes()[:-1])
    records[2].write_bytes(b"")
    assert (times(out).missing, len(times(out).names)) == (3, 2)
    edit_index(out, lambda card: card.update(fingerprint="0" * 64))
    assert times(out) is None


def test_a_set_without_its_build_has_no_times(out):
    shutil.rmtree(out / "_build")
    assert times(out) is None
