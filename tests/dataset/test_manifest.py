from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.factories import row
from texgen.core.layout import manifest_path
from texgen.dataset import manifest
from texgen.dataset.manifest import MANIFEST_SCHEMA, read_rows, rows_to_table, write_manifest

COLUMNS = {
    "key": "string", "source": "string", "label": "int32", "class": "string", "width": "int32",
    "height": "int32", "patch_size": "int32", "center_x": "int32", "center_y": "int32",
    "random_x": "int32", "random_y": "int32", "texture_index": "int32", "seed": "int64",
    "status": "string", "error": "string", "shard": "string", "offset": "int64",
    "length": "int64", "sha256": "string",
}  # fmt: skip
FAILED = "image_empty: the file has no bytes"


def written(tables: list[Any], folder: Path, split: str = "train") -> list[tuple[bytes, int]]:
    folder.mkdir(exist_ok=True)
    return [(path.read_bytes(), rows) for path, rows in write_manifest(tables, folder, split)]


def rows(count: int) -> list[Any]:
    return [
        row(f"ant/{i:05d}", error=FAILED if i % 7 == 3 else None, label=None if i % 5 == 0 else 0)
        for i in range(count)
    ]


def cut(table: Any, places: list[int]) -> list[Any]:
    ends = [0, *sorted(places), table.num_rows]
    return [table.slice(a, b - a) for a, b in itertools.pairwise(ends)]


def test_columns_and_their_types_are_those_of_the_contract(tmp_path):
    assert {field.name: str(field.type) for field in MANIFEST_SCHEMA} == COLUMNS
    written([rows_to_table(rows(3))], tmp_path)
    assert pa.parquet.read_schema(tmp_path / "train-00000.parquet").names == list(COLUMNS)


def test_a_texture_is_a_row_with_its_place():
    (found,) = rows_to_table([row("ant/a")]).to_pylist()
    assert found == {
        "key": "ant/a", "source": "ant/a.jpg", "label": 0, "class": "ant", "width": 120,
        "height": 110, "patch_size": 96, "center_x": 12, "center_y": 7, "random_x": 3,
        "random_y": 4, "texture_index": 0, "seed": 7, "status": "ok", "error": None,
        "shard": "train/train-000000.tar", "offset": 512, "length": 3, "sha256": "ab",
    }  # fmt: skip


def test_a_failed_row_has_a_reason_and_no_place():
    (found,) = rows_to_table([row("ant/a", error=FAILED)]).to_pylist()
    known = {"key", "source", "label", "class", "texture_index", "seed", "status", "error"}
    assert {name for name, value in found.items() if value is not None} == known
    assert (found["status"], found["error"]) == ("failed", FAILED)


def test_patches_in_the_upper_left_corner_are_not_unknown():
    boxes = row("a").geometry
    corner = type(boxes)(16, 16, 16, (0, 0), (0, 0))
    (found,) = rows_to_table([type(row())("a", row().entry, 0, 0, corner)]).to_pylist()
    assert [found[c] for c in ("center_x", "center_y", "random_x", "random_y", "seed")] == [0] * 5


def test_rows_read_back_as_they_were_written(tmp_path):
    table = rows_to_table(rows(23))
    written([table], tmp_path)
    assert list(read_rows(tmp_path / "train-00000.parquet", batch_size=4)) == table.to_pylist()


@settings(max_examples=30)
@given(st.integers(0, 40), st.lists(st.integers(0, 40), max_size=8))
def test_bytes_do_not_depend_on_how_tables_are_cut(tmp_path_factory, count, places):
    folder = tmp_path_factory.mktemp("manifest")
    table = rows_to_table(rows(count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "ROWS_PER_GROUP", 6)
        patch.setattr(manifest, "ROWS_PER_FILE", 12)
        whole = written([table], folder / "whole")
        parts = written(cut(table, [min(p, count) for p in places]), folder / "parts")
        singly = written([rows_to_table([r]) for r in rows(count)], folder / "singly")
    assert whole == parts == singly


@pytest.mark.parametrize(
    ("count", "files"),
    [(0, [0]), (1, [1]), (12, [12]), (13, [12, 1]), (24, [12, 12]), (30, [12, 12, 6])],
)
def test_files_are_filled_one_after_the_other(tmp_path, monkeypatch, count, files):
    monkeypatch.setattr(manifest, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(manifest, "ROWS_PER_FILE", 12)
    table = rows_to_table(rows(count))
    assert [
        rows for _, rows in written(cut(table, [5]) if count > 5 else [table], tmp_path)
    ] == files
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [f"train-{i:05d}.parquet" for i in range(len(files))]
    found = [r for path in paths for r in read_rows(path)]
    assert found == table.to_pylist()


def test_tables_of_one_row_each_give_the_same_file(tmp_path):
    table = rows_to_table(rows(700))
    single = cut(table, list(range(1, 700)))
    assert written(single, tmp_path / "single") == written([table], tmp_path / "whole")


def test_a_split_without_tables_gets_one_file_without_rows(tmp_path):
    ((data, count),) = written([], tmp_path)
    assert (count, data) == (0, written([rows_to_table([])], tmp_path / "other")[0][0])
    assert list(read_rows(tmp_path / "train-00000.parquet")) == []


def test_a_file_that_is_handed_on_is_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(manifest, "ROWS_PER_FILE", 4)
    for path, count in write_manifest([rows_to_table(rows(9))], tmp_path, "val"):
        assert len(list(read_rows(path))) == count


def test_manifest_paths_sort_in_their_order():
    paths = [manifest_path("val", index) for index in range(12)]
    assert paths[0] == "manifest/val-00000.parquet"
    assert paths == sorted(paths)
