from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from tests.support.factories import row
from texgen.core.layout import record_path
from texgen.core.types import ShardRecord, Timings
from texgen.dataset.manifest import MANIFEST_SCHEMA, rows_to_table
from texgen.dataset.records import encode_record, read_record_rows, read_shard_record

RECORD = ShardRecord(
    "train", 3, 10_240, "ab" * 32, 3, 1, "cd" * 32, Timings(4.5, 0.1, 0.3, 0.05, 3.0, 0.2)
)
ROWS = [row("ant/a"), row("ant/b", error="image_empty: x"), row("ant/c", label=None)]


def test_a_record_comes_back_with_its_timings():
    assert read_shard_record(pa.BufferReader(encode_record(RECORD, ROWS))) == RECORD


def test_rows_come_back_as_a_table_that_a_manifest_takes():
    table = read_record_rows(pa.BufferReader(encode_record(RECORD, ROWS)))
    assert table.to_pylist() == rows_to_table(ROWS).to_pylist()
    assert table.schema.equals(MANIFEST_SCHEMA, check_metadata=True)


def test_a_record_without_rows_comes_back():
    data = encode_record(RECORD, [])
    assert read_shard_record(pa.BufferReader(data)) == RECORD
    assert read_record_rows(pa.BufferReader(data)).num_rows == 0


@pytest.mark.parametrize("read", [read_shard_record, read_record_rows])
def test_a_record_cut_or_changed_anywhere_is_refused(read):
    whole = encode_record(RECORD, ROWS)
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        for data in (whole[:place], bytes(flipped)):
            with pytest.raises(ValueError, match="damaged"):
                read(pa.BufferReader(data))


def test_samples_are_the_rows_that_did_not_fail():
    assert (RECORD.samples, RECORD.path) == (2, "train/train-000003.tar")


@pytest.mark.parametrize("data", [b"", b"no record", encode_record(RECORD, ROWS)[:50]])
def test_what_is_no_record_is_a_value_error(data):
    with pytest.raises(ValueError, match="not a record"):
        read_shard_record(pa.BufferReader(data))


def test_an_arrow_stream_of_something_else_is_a_value_error():
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, MANIFEST_SCHEMA) as writer:
        writer.write_table(rows_to_table(ROWS))
    stream = bytes(out.getvalue())
    with pytest.raises(ValueError, match="not a record"):
        read_shard_record(pa.BufferReader(stream + hashlib.sha256(stream).digest()))


def test_each_shard_has_a_record_of_its_own_under_build():
    paths = {record_path(split, index) for split in ("train", "val") for index in range(20)}
    assert len(paths) == 40
    assert all(path.startswith("_build/records/") for path in paths)
