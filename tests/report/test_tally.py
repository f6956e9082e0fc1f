from __future__ import annotations

from collections import Counter

import pyarrow as pa

from texgen.dataset.manifest import MANIFEST_SCHEMA
from texgen.dataset.reader import Dataset
from texgen.report.tally import EXAMPLES, TALLY_COLUMNS, ManifestTally
from texgen.storage import Sink


def batches(finished):
    dataset = Dataset(Sink(finished))
    for split in ("train", "val"):
        for batch in dataset.batches(split, TALLY_COLUMNS):
            # A large set comes in several batches.
            for start in range(0, batch.num_rows, 5):
                yield split, batch.slice(start, 5)


def test_the_tally_is_what_counting_row_by_row_gives(finished):
    dataset = Dataset(Sink(finished))
    rows = [row for split in ("train", "val") for row in dataset.rows(split)]
    made = [row for row in rows if row["status"] == "ok"]
    counts = ManifestTally()
    for split, part in batches(finished):
        counts.add(split, part)
    assert counts.rows == len(rows)
    assert counts.patch_sides == Counter(row["patch_size"] for row in made)
    assert counts.short_sides == Counter(min(row["width"], row["height"]) for row in made)
    assert counts.failures == Counter(row["error"] for row in rows if row["status"] == "failed")
    assert counts.positions.used + counts.positions.left_out == len(made)
    (examples,) = counts.examples.values()
    assert examples == [("train", "ant/broken")]


def batch(rows):
    given = [dict.fromkeys(MANIFEST_SCHEMA.names) | row for row in rows]
    columns = {name: [row[name] for row in given] for name in TALLY_COLUMNS}
    schema = pa.schema([MANIFEST_SCHEMA.field(name) for name in TALLY_COLUMNS])
    return pa.RecordBatch.from_pydict(columns, schema=schema)


def failed(number: int, error: str | None) -> dict[str, object]:
    return {"key": f"k{number}", "status": "failed", "error": error}


def test_examples_are_few_and_reasons_that_were_made_up_do_not_fill_the_memory():
    counts = ManifestTally()
    counts.add("train", batch([failed(i, "image_empty: x") for i in range(9)]))
    counts.add("train", batch([failed(i, None) for i in range(2)]))
    for start in range(0, 1000, 100):
        counts.add("train", batch([failed(i, f"reason {i}") for i in range(start, start + 100)]))
    assert sum(counts.failures.values()) == counts.rows == 1011
    assert len(counts.failures) <= 201
    assert all(len(keys) <= EXAMPLES for keys in counts.examples.values())
    assert counts.failures["no reason is given"] == 2


def test_rows_with_nulls_that_no_build_writes_are_left_out():
    counts = ManifestTally()
    whole = {"key": "a", "status": "ok", "width": 300, "height": 200, "patch_size": 96,
             "random_x": 5, "random_y": 6}  # fmt: skip
    counts.add("train", batch([whole, whole | {"random_x": None}, whole | {"width": None}]))
    assert counts.patch_sides == {96: 1}
    assert counts.positions.used == 1
    counts.add("train", batch([]))
    assert counts.rows == 3
