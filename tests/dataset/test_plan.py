from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.factories import config, entry
from texgen.build.plan import make_plan
from texgen.core.errors import SourceError, StorageError
from texgen.core.layout import plan_entries_path
from texgen.core.types import ImageEntry, ShardPlan
from texgen.dataset.plan import Plan, PlannedShards, SplitPlan, load_plan, plan_notes, save_plan
from texgen.dataset.plan_summary import source_differences
from texgen.source import SplitListing
from texgen.storage import Sink


class Listed:
    """A source whose splits and images are a dictionary."""

    def __init__(self, splits: dict[str, list[ImageEntry]], *notes: str) -> None:
        self._splits = splits
        self._notes = notes

    def splits(self) -> tuple[SplitListing, ...]:
        return tuple(SplitListing(n, ("ant", "bee"), self._notes) for n in sorted(self._splits))

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        yield from self._splits[split.name]

    def notes(self, split: SplitListing) -> Sequence[str]:
        return ()

    def read(self, entry: ImageEntry) -> bytes:
        raise AssertionError(entry)


def image_entries(count: int, first: str = "ant") -> list[ImageEntry]:
    return [entry(f"{first}/{i:04d}", size=i) for i in range(count)]


def planned(source: Listed, folder: Path, **changes: object) -> tuple[Plan, Sink]:
    """Makes a plan and saves it."""
    drafts = folder / "drafts"
    drafts.mkdir(exist_ok=True)
    plan = make_plan(source, config(**changes), "name", drafts)
    sink = Sink(folder / "out")
    save_plan(plan, drafts, sink)
    return plan, sink


def textures(shard: ShardPlan, each: int) -> list[tuple[str, int]]:
    """Key and texture index of each texture in a planned shard."""
    found: list[tuple[str, int]] = []
    first = shard.first_texture
    for image in shard.entries:
        found += [(image.key, index) for index in range(first, each)]
        first = 0
    return found[: shard.rows]


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 7), st.integers(1, 9))
def test_shards_are_equal_slices_of_all_textures_in_order(images, each, size):
    every = [(f"ant/{i:04d}", index) for i in range(images) for index in range(each)]
    slices = [every[start : start + size] for start in range(0, len(every), size)]
    with tempfile.TemporaryDirectory() as folder:
        source = Listed({"train": image_entries(images)})
        plan, sink = planned(
            source, Path(folder), textures_per_image=each, samples_per_shard=size
        )  # fmt: skip
        shards = [PlannedShards(plan, sink).load(*shard) for shard in plan.shards()]
    assert [textures(shard, each) for shard in shards] == slices
    assert [shard.rows for shard in shards] == [len(part) for part in slices]
    # No image is read for a shard that needs none of its textures.
    assert [len(s.entries) for s in shards] == [len({k for k, _ in part}) for part in slices]
    assert plan.rows == len(every)
    assert [plan.shard_rows(plan.splits[0].name, i) for i in range(len(slices))] == [
        len(part) for part in slices
    ]


def test_images_come_back_whole_from_the_plan(tmp_path):
    odd = ImageEntry("~ff/a", "\\xff/a.jpg", b"\xff/a.jpg", -1, None, None)
    plan, sink = planned(Listed({"train": [odd]}), tmp_path)
    assert PlannedShards(plan, sink).load("train", 0).entries == (odd,)


def test_every_split_is_dealt_out_by_itself(tmp_path):
    source = Listed({"train": image_entries(5), "val": image_entries(3)})
    plan, sink = planned(source, tmp_path, samples_per_shard=2)
    assert list(plan.shards()) == [("train", 0), ("train", 1), ("train", 2), ("val", 0), ("val", 1)]
    shards = PlannedShards(plan, sink)
    assert [shards.load(*s).rows for s in plan.shards()] == [2, 2, 1, 2, 1]
    assert shards.load("val", 1).name == "val-000001"


def test_a_limit_takes_the_first_of_every_split(tmp_path):
    source = Listed({"train": image_entries(5), "val": image_entries(1)})
    plan, sink = planned(source, tmp_path, limit=3)
    assert [split.images for split in plan.splits] == [3, 1]
    first = PlannedShards(plan, sink).load("train", 0)
    assert [e.key for e in first.entries] == ["ant/0000", "ant/0001", "ant/0002"]


def test_a_limit_above_all_counting_takes_all(tmp_path):
    plan, _ = planned(Listed({"train": image_entries(5)}), tmp_path, limit=10**30)
    assert plan.rows == 5


def test_a_source_without_images_is_refused_with_what_was_ignored(tmp_path):
    source = Listed({"train": [], "val": []}, "3 images beside the class folders are ignored")
    with pytest.raises(SourceError, match=r"no images; 3 images beside .* ignored; expected"):
        make_plan(source, config(), "name", tmp_path)


def test_an_empty_split_beside_a_full_one_is_noted(tmp_path):
    plan, sink = planned(Listed({"train": image_entries(1), "val": []}, "a note"), tmp_path)
    assert [split.shards for split in plan.splits] == [1, 0]
    assert plan.notes.count("a note") == 1
    assert any("'val'" in note for note in plan.notes)
    assert list(plan.shards()) == [("train", 0)]
    assert sink.open(plan_entries_path("val")).read()


def test_a_plan_comes_back_from_out(tmp_path):
    plan, sink = planned(
        Listed({"train": image_entries(4), "val": []}, "a note"), tmp_path, format="jpg", quality=90
    )
    found = load_plan(sink)
    assert found == plan
    assert (found.notes, found.fingerprint) == (plan.notes, plan.fingerprint)


def test_an_out_without_a_plan_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError):
        load_plan(Sink(tmp_path))


def plan_of(folder: Path, splits: dict[str, list[ImageEntry]], name: str = "n") -> Plan:
    folder.mkdir()
    return make_plan(Listed(splits), config(), name, folder)


def test_the_fingerprint_follows_the_images_and_not_the_name(tmp_path):
    two = image_entries(2)
    first = plan_of(tmp_path / "0", {"train": two})
    assert plan_of(tmp_path / "1", {"train": two}, "other").fingerprint == first.fingerprint
    others = [
        {"train": image_entries(3)},
        {"val": two},
        {"train": two, "val": []},
        {"train": [two[0], replace(two[1], size=99)]},
        {"train": [two[0], replace(two[1], label=1)]},
        {"train": [two[0], replace(two[1], source="elsewhere.jpg")]},
        {"train": [two[0], replace(two[1], key="ant/0009")]},
    ]
    made = {plan_of(tmp_path / f"x{i}", o).fingerprint for i, o in enumerate(others)}
    assert len(made | {first.fingerprint}) == 1 + len(others)


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({"train": image_entries(3)}, ["'train'", "2 images then, 3 now", "0002"]),
        ({"train": image_entries(2), "val": image_entries(1)}, ["'val' is new"]),
        ({"val": image_entries(1)}, ["'train' is gone", "'val' is new"]),
        ({"train": [replace(image_entries(1)[0], size=77)]}, ["0000.jpg had 0 bytes", "77"]),
        ({"train": [entry("ant/z"), entry("ant/zz")]}, ["ant/0000.jpg", "ant/z.jpg"]),
    ],
)
def test_what_differs_between_two_listings_is_said(tmp_path, after, says):
    old, sink = planned(Listed({"train": image_entries(2)}), tmp_path)
    new = plan_of(tmp_path / "new", after)
    found = "; ".join(source_differences(old, new, sink, tmp_path / "new"))
    assert all(part in found for part in says), found


def test_equal_listings_do_not_differ(tmp_path):
    old, sink = planned(Listed({"train": image_entries(2)}), tmp_path)
    new = plan_of(tmp_path / "new", {"train": image_entries(2)})
    assert list(source_differences(old, new, sink, tmp_path / "new")) == []


def test_classes_that_are_numbers_in_the_order_of_text_are_said(tmp_path):
    """ImageNetV2's folders are 0 to 999, and ImageFolder gives 10 the label 2."""
    splits = [
        SplitPlan("train", 3, 1, ("0", "1", "10", "2"), ""),
        SplitPlan("val", 3, 1, ("0", "1", "2"), ""),
    ]
    plan = Plan("name", {}, tuple(splits))
    (said, *_) = plan_notes(plan)
    assert "the classes of 'train' are numbers, and their labels follow" in said
    assert "class 10 has label 2" in said
    assert not any("the classes of 'val'" in note for note in plan_notes(plan))
