from __future__ import annotations

from collections import Counter

import pyarrow as pa

from texgen.dataset.manifest import SCHEMA
from texgen.dataset.reader import Dataset
from texgen.report.tally import COLUMNS, EXAMPLES, ManifestTally, tally
from texgen.storage import LocalSink


def batches(finished):
    dataset = Dataset(LocalSink(finished))
    for split in ("train", "val"):
        for batch in dataset.batches(split, COLUMNS):
            # In pieces, as a large set comes.
            for start in range(0, batch.num_rows, 5):
                yield split, batch.slice(start, 5)


def test_the_tally_is_what_counting_row_by_row_gives(finished):
    dataset = Dataset(LocalSink(finished))
    rows = [row for split in ("train", "val") for row in dataset.rows(split)]
    made = [row for row in rows if row["status"] == "ok"]
    found = tally(batches(finished))
    assert found.rows == len(rows)
    assert found.patch_sides == Counter(row["patch_size"] for row in made)
    assert found.short_sides == Counter(min(row["width"], row["height"]) for row in made)
    assert found.failures == Counter(row["error"] for row in rows if row["status"] == "failed")
    assert found.positions.used + found.positions.left_out == len(made)
    (examples,) = found.examples.values()
    assert examples == [("train", "ant/broken")]


def batch(rows):
    given = [dict.fromkeys(SCHEMA.names) | row for row in rows]
    columns = {name: [row[name] for row in given] for name in COLUMNS}
    schema = pa.schema([SCHEMA.field(name) for name in COLUMNS])
    return pa.RecordBatch.from_pydict(columns, schema=schema)


def failed(number: int, error: str | None) -> dict[str, object]:
    return {"key": f"k{number}", "status": "failed", "error": error}


def test_examples_are_few_and_reasons_that_were_made_up_do_not_fill_the_memory():
    found = ManifestTally()
    found.add("train", batch([failed(i, "image_empty: x") for i in range(9)]))
    found.add("train", batch([failed(i, None) for i in range(2)]))
    for start in range(0, 1000, 100):
        found.add("train", batch([failed(i, f"reason {i}") for i in range(start, start + 100)]))
    assert sum(found.failures.values()) == found.rows == 1011
    assert len(found.failures) <= 201
    assert all(len(keys) <= EXAMPLES for keys in found.examples.values())
    assert found.failures["no reason is given"] == 2


def test_rows_with_nulls_that_no_build_writes_are_left_out():
    found = ManifestTally()
    whole = {"key": "a", "status": "ok", "width": 300, "height": 200, "patch_size": 96,
             "random_x": 5, "random_y": 6}  # fmt: skip
    found.add("train", batch([whole, whole | {"random_x": None}, whole | {"width": None}]))
    assert found.patch_sides == {96: 1}
    assert found.positions.used == 1
    found.add("train", batch([]))
    assert found.rows == 3
