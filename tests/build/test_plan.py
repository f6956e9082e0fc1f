"""The plan of a build in an empty OUT, and in one that holds a build already."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.builds import planned, remaining
from texgen.core.errors import ConfigError
from texgen.core.layout import PLAN

SHARDS = {("train", index) for index in range(4)} | {("val", 0)}


def test_a_plan_is_kept_in_an_empty_out(tmp_path, small_source):
    (tmp_path / "out" / "_build").mkdir(parents=True)
    plan = planned(small_source, tmp_path / "out")
    assert (tmp_path / "out" / PLAN).is_file()
    assert [(s.name, s.images, s.shards) for s in plan.splits] == [("train", 6, 4), ("val", 1, 1)]


def test_the_same_plan_is_found_again_and_nothing_is_written(out, small_source):
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert planned(small_source, out).rows == 14
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_source_may_move(out, small_source, tmp_path):
    moved = Path(shutil.copytree(small_source, tmp_path / "moved"))
    assert planned(moved, out).rows == 14


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
        planned(small_source, out, **changes)
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
def test_other_images_are_refused_and_named(out, small_source, tmp_path, change):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    change(source)
    with pytest.raises(ConfigError, match="'val'"):
        planned(source, out)


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
    assert len(remaining(out, small_source).records) == len(SHARDS)
    assert (out / PLAN).read_bytes() == whole


@pytest.mark.parametrize("damage", PLAN_DAMAGE)
@pytest.mark.parametrize("indexed", [True, False])
def test_without_a_plan_another_configuration_is_refused(out, small_source, damage, indexed):
    damage_plan(out, damage)
    if not indexed:
        (out / "index.json").unlink()
    with pytest.raises(
        ConfigError, match="seed was 0 and is now 1" if indexed else "other options"
    ):
        planned(small_source, out, seed=1)
    assert len(list(out.rglob("*.tar"))) == len(SHARDS)


def test_without_a_plan_and_records_the_index_refuses_other_images(out, small_source, tmp_path):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    grow_image(source)
    (out / PLAN).unlink()
    shutil.rmtree(out / "_build" / "records")
    with pytest.raises(ConfigError, match="other images"):
        planned(source, out)
    with pytest.raises(ConfigError, match="--name was 'small' and is now 'other'"):
        planned(small_source, out, "other")


def test_a_damaged_list_of_images_does_not_hide_that_they_differ(out, small_source, tmp_path):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    grow_image(source)
    (out / "_build" / "plan" / "val.arrow").write_bytes(b"rotten")
    with pytest.raises(ConfigError, match=r"'val' has changed.*val\.arrow is gone or damaged"):
        planned(source, out)


def test_an_image_that_is_gone_or_new_is_named_without_none(out, small_source, tmp_path):
    source = Path(shutil.copytree(small_source, tmp_path / "changed"))
    add_image(source)
    with pytest.raises(ConfigError, match=r"val/ant/new\.JPEG is new") as caught:
        planned(source, out)
    assert "None" not in str(caught.value)
    with pytest.raises(ConfigError, match="limit was not set and is now 2"):
        planned(small_source, out, limit=2)
