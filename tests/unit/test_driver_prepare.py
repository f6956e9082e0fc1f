from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.conftest import request
from texgen.driver.prepare import Found, check_empty, check_space, find_records, settle_plan
from texgen.errors import ConfigError
from texgen.plan import PLAN, Plan
from texgen.records import record_path
from texgen.source import FolderSource
from texgen.storage import LocalSink

SHARDS = {("train", index) for index in range(4)} | {("val", 0)}


def settle(source: Path, out: Path, name: str = "small", **changes: object) -> Plan:
    config = request(source, out, **changes).config
    return settle_plan(FolderSource(source), config, name, LocalSink(out))


def test_a_plan_is_kept_in_an_empty_out(tmp_path, small_source):
    (tmp_path / "out" / "_build").mkdir(parents=True)
    plan = settle(small_source, tmp_path / "out")
    assert (tmp_path / "out" / PLAN).is_file()
    assert [(s.name, s.images, s.shards) for s in plan.splits] == [("train", 6, 4), ("val", 1, 1)]


def test_the_same_plan_is_found_again_and_nothing_is_written(out, small_source):
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert settle(small_source, out).rows == 14
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_source_may_move(out, small_source, tmp_path):
    moved = Path(shutil.copytree(small_source, tmp_path / "moved"))
    assert settle(moved, out).rows == 14


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": 32}, "size was 16 and is now 32"),
        ({"seed": 1}, "seed"),
        ({"format": "webp"}, "format"),
        ({"limit": 2}, "limit"),
        ({"name": "other"}, "--name was 'small' and is now 'other'"),
    ],
)
def test_another_configuration_is_refused_and_named(out, small_source, changes, says):
    before = (out / PLAN).read_bytes()
    with pytest.raises(ConfigError, match=says) as caught:
        settle(small_source, out, **changes)
    assert caught.value.exit_code == 2
    assert (out / PLAN).read_bytes() == before
    assert (out / "index.json").exists()


def add_image(source: Path) -> None:
    shutil.copy(source / "val" / "ant" / "ant_000.JPEG", source / "val" / "ant" / "new.JPEG")


def grow_image(source: Path) -> None:
    with (source / "val" / "ant" / "ant_000.JPEG").open("ab") as file:
        file.write(b"x")


def drop_split(source: Path) -> None:
    shutil.rmtree(source / "val")


def add_class(source: Path) -> None:
    (source / "val" / "wasp").mkdir()


@pytest.mark.parametrize("change", [add_image, grow_image, drop_split, add_class])
def test_other_photographs_are_refused_and_named(out, small_source, tmp_path, change):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    change(source)
    with pytest.raises(ConfigError, match="'val'"):
        settle(source, out)


def test_a_folder_with_foreign_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        check_empty(LocalSink(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_a_missing_and_a_begun_folder_are_taken(tmp_path):
    check_empty(LocalSink(tmp_path))
    check_empty(LocalSink(tmp_path / "missing"))
    (tmp_path / "_build").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError):
        check_empty(LocalSink(tmp_path))
    (tmp_path / "_build" / "lock").touch()
    check_empty(LocalSink(tmp_path))


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"name": 1}', b"\xff"])
def test_a_damaged_plan_is_refused_by_name(out, small_source, damage):
    (out / PLAN).write_bytes(damage)
    with pytest.raises(ConfigError, match=r"plan\.json"):
        settle(small_source, out)


def found(out: Path, small_source: Path) -> Found:
    return find_records(settle(small_source, out), LocalSink(out))


def test_all_shards_of_a_finished_data_set_are_found(out, small_source):
    there = found(out, small_source)
    assert set(there.records) == SHARDS
    assert sum(record.failed for record in there.records.values()) == 2
    assert there.complete


def test_without_an_index_it_is_not_complete(out, small_source):
    (out / "index.json").unlink()
    there = found(out, small_source)
    assert set(there.records) == SHARDS
    assert not there.complete


def test_without_a_manifest_it_is_not_complete(out, small_source):
    (out / "manifest" / "val-00000.parquet").unlink()
    assert not found(out, small_source).complete


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


def foreign_record(out: Path) -> None:
    path = out / record_path("train", 1)
    data = path.read_bytes()
    at = data.index(b'"fingerprint": "') + len(b'"fingerprint": "')
    path.write_bytes(data[:at] + b"0" * 64 + data[at + 64 :])


@pytest.mark.parametrize(
    "damage", [cut_shard, drop_shard, drop_record, empty_record, cut_record, foreign_record]
)
def test_a_shard_that_does_not_fit_its_record_is_made_again(out, small_source, damage):
    damage(out)
    there = found(out, small_source)
    assert set(there.records) == SHARDS - {("train", 1)}
    assert not there.complete
    assert not (out / "train" / "train-000001.tar").exists()
    assert (out / "train" / "train-000000.tar").exists()


class Full(LocalSink):
    """A disk with ``free`` bytes."""

    def __init__(self, root: Path, free: int | None) -> None:
        super().__init__(root)
        self.free = free

    def free_bytes(self) -> int | None:
        return self.free


def test_a_build_that_does_not_fit_the_disk_is_refused(out, small_source):
    plan = settle(small_source, out)
    with pytest.raises(ConfigError, match=r"14 textures.*make room"):
        check_space(plan, Found({}, complete=False), Full(out, 14 * 16 * 16))
    check_space(plan, Found({}, complete=False), Full(out, 1 << 30))
    check_space(plan, Found({}, complete=False), Full(out, None))


def test_only_what_is_left_must_fit(out, small_source):
    plan = settle(small_source, out)
    there = find_records(plan, LocalSink(out))
    check_space(plan, there, Full(out, 0))
    del there.records["val", 0]
    with pytest.raises(ConfigError, match="2 textures"):
        check_space(plan, there, Full(out, 0))
