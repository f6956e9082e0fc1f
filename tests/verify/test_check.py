from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.damage import (
    INDEX_EDITS,
    MANIFEST,
    SHARD,
    Members,
    assert_named,
    check,
    edit_index,
    members,
    retar,
    rewrite_rows,
    trust,
)
from texgen.core.errors import DatasetError
from texgen.dataset.manifest import MANIFEST_SCHEMA


def test_a_finished_data_set_has_no_fault(out):
    report = check(out)
    assert report.faults == []
    assert (report.shards, report.textures, report.rows) == (5, 12, 14)


def test_an_out_without_an_index_is_no_data_set(out):
    (out / "index.json").unlink()
    with pytest.raises(DatasetError, match=r"index\.json"):
        check(out)


FILES = [SHARD, "val/val-000000.tar", MANIFEST, "manifest/val-00000.parquet"]


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.99])
def test_a_flipped_bit_is_reported_with_its_file(out, path, place):
    data = bytearray((out / path).read_bytes())
    data[int(place * len(data))] ^= 0x10
    (out / path).write_bytes(data)
    assert_named(out, path)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_reported_with_its_file(finished, tmp_path_factory, path, place, bit):
    copy = Path(shutil.copytree(finished, tmp_path_factory.mktemp("flipped") / "out"))
    data = bytearray((copy / path).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (copy / path).write_bytes(data)
    assert_named(copy, path)
    trust(copy, path)
    check(copy)  # whatever it finds, it comes to an end without an exception
    shutil.rmtree(copy.parent)


@pytest.mark.parametrize("column", [name.encode() for name in MANIFEST_SCHEMA.names])
def test_a_flipped_bit_in_the_name_of_a_column_is_reported(out, column):
    whole = (out / MANIFEST).read_bytes()
    place = whole.find(column)
    assert place >= 0
    while place >= 0:
        data = bytearray(whole)
        data[place] ^= 0x08
        (out / MANIFEST).write_bytes(data)
        assert_named(out, MANIFEST)
        place = whole.find(column, place + 1)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_an_index_with_a_flipped_bit_is_read_or_refused(finished, tmp_path_factory, place, bit):
    copy = Path(shutil.copytree(finished, tmp_path_factory.mktemp("flipped") / "out"))
    data = bytearray((copy / "index.json").read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (copy / "index.json").write_bytes(data)
    try:
        check(copy)
    except DatasetError as error:
        assert "index.json" in str(error)  # noqa: PT017 - it need not be raised
    shutil.rmtree(copy.parent)


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_file_that_is_gone_or_empty_is_reported_by_name(out, path, damage):
    damage(out / path)
    assert_named(out, path)


def third_member_begins(path: Path) -> int:
    with tarfile.open(path) as tar:
        return tar.getmembers()[3].offset


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("end", [b"", b"\0" * 1024])
def test_a_tar_cut_at_a_member_boundary_is_reported(out, trusted, end):
    path = out / SHARD
    path.write_bytes(path.read_bytes()[: third_member_begins(path)] + end)
    if trusted:
        trust(out, SHARD)
    assert_named(out, SHARD)


def renamed(content: Members) -> Members:
    return [(content[0][0].replace(".cls", "x.cls"), content[0][1]), *content[1:]]


TAMPERED: dict[str, Callable[[Members], Members]] = {
    "a member is missing": lambda content: content[:3] + content[4:],
    "the first member is missing": lambda content: content[1:],
    "the last member is missing": lambda content: content[:-1],
    "a whole sample is missing": lambda content: content[3:],
    "a member is doubled": lambda content: [*content[:1], *content],
    "the last member is doubled": lambda content: [*content, content[-1]],
    "a sample is doubled": lambda content: [*content, *content[:3]],
    "a member is renamed": renamed,
    "two members are swapped": lambda content: [content[1], content[0], *content[2:]],
    "two samples are swapped": lambda content: [*content[3:6], *content[:3], *content[6:]],
    "a label is another": lambda content: [(content[0][0], b"7"), *content[1:]],
    "the provenance is another": lambda c: [c[0], (c[1][0], c[1][1].replace(b":0", b":1")), *c[2:]],
    "an image is another": lambda c: [*c[:2], (c[2][0], c[2][1][:-1] + b"\1"), *c[3:]],
    "a foreign member is there": lambda content: [*content, ("x.txt", b"")],
    "nothing is there": lambda _: [],
}


@pytest.mark.parametrize("tampering", TAMPERED)
def test_a_shard_whose_members_are_not_the_manifests_is_reported(out, tampering):
    before = members(out / SHARD)
    after = TAMPERED[tampering](before)
    assert after != before
    retar(out / SHARD, after)
    trust(out, SHARD)
    assert_named(out, SHARD)


def test_a_shard_that_is_packed_again_is_reported_only_for_its_bytes(out):
    # The tests above report the changes, then, and not that a tar was rewritten.
    retar(out / SHARD, members(out / SHARD))
    trust(out, SHARD)
    assert check(out).faults == []


def test_two_shards_swapped_are_both_reported(out):
    first, second = out / "train/train-000000.tar", out / SHARD
    first.rename(out / "x")
    second.rename(first)
    (out / "x").rename(second)
    assert_named(out, "train/train-000000.tar")
    assert_named(out, SHARD)
    trust(out, SHARD)
    trust(out, "train/train-000000.tar")
    assert_named(out, "train/train-000000.tar")
    assert_named(out, SHARD)


OTHER: dict[str, object] = {
    "key": "ant/ant_000x", "source": "other.jpg", "label": 5, "class": "bee", "width": 1,
    "height": 1, "patch_size": 1, "center_x": 99, "center_y": 99, "random_x": 99, "random_y": 99,
    "texture_index": 9, "seed": 1, "status": "failed", "error": "image_empty: x",
    "shard": "train/train-000003.tar", "offset": 1, "length": 1, "sha256": "0" * 64,
}  # fmt: skip


def test_every_column_is_tried(out):
    assert list(OTHER) == pq.read_schema(out / MANIFEST).names


@pytest.mark.parametrize("column", OTHER)
def test_a_row_that_says_something_else_is_reported(out, column):
    def edit(rows: list[dict[str, Any]]) -> None:
        assert rows[0][column] != OTHER[column]
        rows[0][column] = OTHER[column]

    rewrite_rows(out, edit)
    assert check(out).faults


@pytest.mark.parametrize("column", ["status", "error", "shard", "offset", "length", "sha256"])
def test_a_failed_row_that_says_something_else_is_reported(out, column):
    def edit(rows: list[dict[str, Any]]) -> None:
        failed = next(row for row in rows if row["status"] == "failed")
        failed[column] = {"status": "ok", "error": None}.get(column, OTHER[column])

    rewrite_rows(out, edit)
    assert check(out).faults


REARRANGED: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "missing": lambda rows: rows.pop(1) and None,
    "doubled": lambda rows: rows.insert(1, rows[1]),
    "swapped": lambda rows: rows.insert(0, rows.pop(1)),
    "all gone": lambda rows: rows.clear(),
}


@pytest.mark.parametrize("how", REARRANGED)
def test_rows_that_are_missing_or_out_of_order_are_reported_with_their_file(out, how):
    rewrite_rows(out, REARRANGED[how])
    assert_named(out, MANIFEST)


@pytest.mark.parametrize(
    "path", ["notes.txt", "train/train-000009.tar", "manifest/train-00001.parquet", ".hidden",
             "train/train-000001.tar.part"]
)  # fmt: skip
def test_a_stray_file_is_reported(out, path):
    (out / path).write_bytes(b"")
    assert check(out).faults == [f"{path}: not in the index"]


def test_files_below_build_are_no_strays(out):
    (out / "_build" / "anything").write_bytes(b"")
    assert check(out).faults == []
    shutil.rmtree(out / "_build")
    assert check(out).faults == []


@pytest.mark.parametrize("field", ["images", "textures", "failed"])
def test_a_count_that_is_wrong_is_reported_as_a_fault_of_the_index(out, field):
    def edit(card: dict[str, Any]) -> None:
        card["splits"]["train"][field] += 1

    edit_index(out, edit)
    assert_named(out, "index.json")


@pytest.mark.parametrize("field", ["path", "bytes", "sha256", "samples"])
def test_a_shard_that_the_index_describes_wrongly_is_reported(out, field):
    def edit(card: dict[str, Any]) -> None:
        shards = card["splits"]["train"]["shards"]
        shards[0][field], shards[1][field] = shards[1][field], shards[0][field]
        if field in {"bytes", "samples"}:
            shards[1][field] += 1

    edit_index(out, edit)
    assert_named(out, SHARD)


@pytest.mark.parametrize("field", ["path", "bytes", "sha256", "rows"])
def test_a_manifest_that_the_index_describes_wrongly_is_reported(out, field):
    def edit(card: dict[str, Any]) -> None:
        (file,) = card["splits"]["train"]["manifest"]
        file[field] = file[field] + (1 if isinstance(file[field], int) else "0")

    edit_index(out, edit)
    assert any("manifest/train-00000.parquet" in fault for fault in check(out).faults)


@pytest.mark.parametrize("edit", INDEX_EDITS)
def test_an_index_that_was_changed_is_reported(out, edit):
    edit_index(out, INDEX_EDITS[edit])
    assert check(out).faults


@pytest.mark.parametrize("setting", ["engine", "engine_version", "format", "textures_per_image"])
@pytest.mark.parametrize("change", [lambda config, name: config.pop(name),
                                    lambda config, name: config.update({name: None})])  # fmt: skip
def test_an_index_without_a_setting_is_refused_or_reported(out, setting, change):
    edit_index(out, lambda card: change(card["config"], setting))
    try:
        assert check(out).faults
    except DatasetError as error:
        assert "index.json" in str(error)  # noqa: PT017 - it need not be raised


def test_a_threaded_engine_is_noted(out):
    edit_index(out, lambda card: card["config"].update(engine="embark-cli"))
    assert any("embark-cli" in note for note in check(out).notes)
    edit_index(out, lambda card: card["config"].update(engine="stub"))
    assert check(out).notes == []
