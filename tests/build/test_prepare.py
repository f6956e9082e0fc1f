from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builds import request
from texgen.build.checks import check_empty, check_space
from texgen.build.plan import load_or_create_plan
from texgen.build.remaining import Records, RemainingWork, find_remaining
from texgen.core.config import Part
from texgen.core.errors import ConfigError
from texgen.core.layout import PLAN, record_path, shard_path
from texgen.dataset.plan import Plan, load_plan
from texgen.source import FolderSource
from texgen.storage import LocalSink

SHARDS = {("train", index) for index in range(4)} | {("val", 0)}


def settle(source: Path, out: Path, name: str = "small", **changes: object) -> Plan:
    asked = request(source, out, name, **changes)
    sink = LocalSink(out)
    return load_or_create_plan(asked, FolderSource(asked.source), sink, sink.list(""))


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


def edit_seed(data: bytes) -> bytes:
    assert b'"seed":0' in data
    return data.replace(b'"seed":0', b'"seed":1')


PLAN_DAMAGE = [lambda _: None, lambda _: b"", lambda _: b"{", lambda _: b"[]", lambda _: b"null",
               lambda _: b'{"name": 1}', lambda _: b"\xff", lambda _: b"[" * 100_000,
               edit_seed]  # fmt: skip


def damage_plan(out: Path, damage: Callable[[bytes], bytes | None]) -> bytes:
    whole = (out / PLAN).read_bytes()
    data = damage(whole)
    (out / PLAN).unlink() if data is None else (out / PLAN).write_bytes(data)
    return whole


@pytest.mark.parametrize("damage", PLAN_DAMAGE)
def test_a_plan_that_is_gone_or_damaged_is_written_anew(out, small_source, damage):
    whole = damage_plan(out, damage)
    assert len(found(out, small_source)) == len(SHARDS)
    assert (out / PLAN).read_bytes() == whole


@pytest.mark.parametrize("damage", PLAN_DAMAGE)
@pytest.mark.parametrize("indexed", [True, False])
def test_without_a_plan_another_configuration_is_refused(out, small_source, damage, indexed):
    damage_plan(out, damage)
    if not indexed:
        (out / "index.json").unlink()
    with pytest.raises(
        ConfigError, match="seed was 0 and is now 1" if indexed else "records|other"
    ):
        settle(small_source, out, seed=1)
    assert len(list(out.rglob("*.tar"))) == len(SHARDS)


def test_without_a_plan_and_records_the_index_refuses_other_photographs(
    out, small_source, tmp_path
):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    grow_image(source)
    (out / PLAN).unlink()
    shutil.rmtree(out / "_build" / "records")
    with pytest.raises(ConfigError, match="photographs"):
        settle(source, out)
    with pytest.raises(ConfigError, match="--name was 'small' and is now 'other'"):
        settle(small_source, out, "other")


def test_a_damaged_list_of_photographs_does_not_hide_that_they_differ(out, small_source, tmp_path):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    grow_image(source)
    (out / "_build" / "plan" / "val.arrow").write_bytes(b"rotten")
    with pytest.raises(ConfigError, match=r"'val' has changed.*val\.arrow is gone or damaged"):
        settle(source, out)


def test_a_photograph_that_is_gone_or_new_is_named_without_none(out, small_source, tmp_path):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    add_image(source)
    with pytest.raises(ConfigError, match=r"val/ant/new\.JPEG is new") as caught:
        settle(source, out)
    assert "None" not in str(caught.value)
    with pytest.raises(ConfigError, match="limit was not set and is now 2"):
        settle(small_source, out, limit=2)


def found(out: Path, small_source: Path) -> Records:
    return left(out, small_source).records


def test_all_shards_of_a_finished_data_set_are_found(out, small_source):
    there = found(out, small_source)
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
    there = found(out, small_source)
    assert set(there) == SHARDS - {("train", 1)}
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
        check_space(plan, 14, Full(out, 14 * 16 * 16))
    with pytest.raises(ConfigError, match=r"4\.6 kB free.* need about [\d.]+ kB"):
        check_space(plan, 14, Full(out, 4600))
    check_space(plan, 14, Full(out, 1 << 30))
    check_space(plan, 14, Full(out, None))
    check_space(plan, 0, Full(out, 0))


class Elsewhere(Full):
    """A bucket: no limit there, but ``free`` bytes where shards are made."""

    def free_bytes(self) -> int | None:
        return None

    def free_scratch_bytes(self) -> int | None:
        return self.free


def test_shards_in_the_making_must_fit_this_machine(out, small_source):
    plan = settle(small_source, out)
    check_space(plan, 14, Elsewhere(out, 40_000), workers=2)
    with pytest.raises(ConfigError, match=r"unfinished shards has .* set TMPDIR"):
        check_space(plan, 14, Elsewhere(out, 10_000), workers=2)


def left(
    out: Path, small_source: Path, part: Part | None = None, *, retry_failed: bool = False
) -> RemainingWork:
    sink = LocalSink(out)
    plan = settle(small_source, out)
    return find_remaining(plan, sink, sink.list(""), part, retry_failed=retry_failed)


def test_what_is_left_are_the_shards_without_a_record(out, small_source):
    assert left(out, small_source).rows == 0
    (out / "_build" / "records" / "val-000000.arrow").unlink()
    found = left(out, small_source)
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
    return load_plan(LocalSink(finished))


def test_a_part_leaves_the_unfinished_shards_of_others_alone(out, small_source):
    for name in ("train-000000", "train-000001"):
        (out / "_build" / "records" / f"{name}.arrow").unlink()
    found = left(out, small_source, Part(1, 2))
    assert found.missing == (("train", 0),)
    assert not (out / "train" / "train-000000.tar").exists()
    assert (out / "train" / "train-000001.tar").exists()


def test_a_retry_sets_the_records_of_failed_rows_aside_and_keeps_their_tars(out, small_source):
    failed = [r for r in left(out, small_source).records.values() if r.failed]
    found = left(out, small_source, retry_failed=True)
    assert found.missing == tuple((r.split, r.index) for r in failed)
    assert found.retried == set(found.missing)
    assert not (out / "index.json").exists()
    for record in failed:
        assert (out / record.path).exists()
        assert not (out / record_path(record.split, record.index)).exists()
    # A run that is killed now leaves that to the next, whatever its options.
    again = left(out, small_source)
    assert again.retried == found.retried
    assert all((out / record.path).exists() for record in failed)


def test_what_was_set_aside_does_not_keep_a_tar_that_is_not_it(out, small_source):
    found = left(out, small_source, retry_failed=True)
    path = out / shard_path(*found.missing[0])
    path.write_bytes(b"another")
    left(out, small_source)
    assert not path.exists()
