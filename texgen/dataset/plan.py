"""The plan of a build: which photographs make which shard, fixed before the first task.

On disk it is ``_build/plan.json`` and, for each split, an Arrow file with one
record batch a shard, so that neither making nor reading it takes memory that
grows with the number of photographs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from texgen.core.config import canonical_json, fingerprint
from texgen.core.hashing import sha256_file
from texgen.core.layout import PLAN, plan_entries_path
from texgen.core.types import ImageEntry, ShardPlan
from texgen.storage import Sink, storage_errors

_CLASSES_SHOWN = 3

SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("source", pa.string()),
        pa.field("locator", pa.binary()),
        pa.field("size", pa.int64()),
        pa.field("label", pa.int32()),
        pa.field("class_name", pa.string()),
    ]
)
"""Of a split's file."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """A split as planned.

    Attributes:
        name: ``train``, ``val``, …
        images: Number of photographs.
        shards: Number of shards.
        classes: Class names in label order; empty for a flat split.
        digest: `SourceDigest` of the photographs.
    """

    name: str
    images: int
    shards: int
    classes: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Plan:
    """What a build makes.

    Attributes:
        name: The data set's name in its card.
        config: `DatasetConfig.canonical`.
        splits: In byte order of their names.
        notes: What was seen in SRC and ignored, a sentence each.
    """

    name: str
    config: Mapping[str, Any]
    splits: tuple[SplitPlan, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def fingerprint(self) -> str:
        """Of configuration and photographs; see `texgen.core.config.fingerprint`."""
        return fingerprint(self.config, {split.name: split.digest for split in self.splits})

    @property
    def textures_per_image(self) -> int:
        """T."""
        return int(self.config["textures_per_image"])

    @property
    def rows(self) -> int:
        """Textures of all splits."""
        return sum(split.images for split in self.splits) * self.textures_per_image

    def shards(self) -> Iterator[tuple[str, int]]:
        """Split and index of every shard, in order."""
        for split in self.splits:
            for index in range(split.shards):
                yield split.name, index

    def shard_rows(self, split: SplitPlan, index: int) -> int:
        """Textures planned for a shard."""
        size = int(self.config["samples_per_shard"])
        return min(size, split.images * self.textures_per_image - index * size)


class PlannedShards:
    """Reads single shards of a plan that is on disk."""

    def __init__(self, plan: Plan, sink: Sink) -> None:
        self._plan = plan
        self._sink = sink
        self._splits = {split.name: split for split in plan.splits}
        self._open: dict[str, Any] = {}

    def load(self, split: str, index: int) -> ShardPlan:
        """The plan of one shard."""
        if split not in self._open:
            self._open[split] = pa.ipc.open_file(self._sink.open(plan_entries_path(split)))
        rows = self._open[split].get_batch(index).to_pylist()
        planned = int(self._plan.config["samples_per_shard"])
        return ShardPlan(
            split,
            index,
            tuple(ImageEntry(**row) for row in rows),
            index * planned % self._plan.textures_per_image,
            self._plan.shard_rows(self._splits[split], index),
        )


def save_plan(plan: Plan, folder: Path, sink: Sink) -> None:
    """Puts a plan and its split files, which lie in ``folder``, in place; ``plan.json`` last."""
    for split in plan.splits:
        path = folder / f"{split.name}.arrow"
        with storage_errors("read", path):
            sha256 = sha256_file(path)
        sink.commit(path, plan_entries_path(split.name), sha256, replace=True)
    about = {"fingerprint": plan.fingerprint, **asdict(plan)}
    sink.write(PLAN, canonical_json(about))


def load_plan(sink: Sink) -> Plan:
    """The plan that lies in OUT.

    Raises:
        StorageError: If there is none.
        ValueError: If it is damaged; says so.
    """
    data = sink.open(PLAN).read()
    try:
        about = json.loads(data)
        splits = [SplitPlan(**{**s, "classes": tuple(s["classes"])}) for s in about["splits"]]
        plan = Plan(about["name"], about["config"], tuple(splits), tuple(about["notes"]))
        whole = plan.fingerprint == about["fingerprint"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{PLAN} is damaged ({type(error).__name__}: {error})"
        raise ValueError(message) from error
    if not whole:
        message = f"{PLAN} is damaged: its fingerprint is not that of what it holds"
        raise ValueError(message)
    return plan


def notes_of(plan: Plan) -> tuple[str, ...]:
    """What whoever builds should know of a plan: what was left out, and labels that differ."""
    return (*plan.notes, *_numbers_unlike_labels(plan), *_class_differences(plan))


def _numbers_unlike_labels(plan: Plan) -> Iterator[str]:
    """Classes that are called like numbers, and have other numbers as labels."""
    for split in plan.splits:
        if all(re.fullmatch("[0-9]{1,9}", name) for name in split.classes):
            numbers = ((int(name), label) for label, name in enumerate(split.classes))
            other = next(((n, label) for n, label in numbers if n != label), None)
            if other:
                yield (
                    f"the classes of {split.name!r} are numbers, and their labels follow the "
                    f"order of text, as in torchvision's ImageFolder: class {other[0]} has label "
                    f"{other[1]}"
                )


def _class_differences(plan: Plan) -> Iterator[str]:
    """Classes that one split has and another lacks: the same class then has two labels."""
    labelled = [split for split in plan.splits if split.classes]
    if len(labelled) < len(plan.splits) and labelled:
        flat = [repr(split.name) for split in plan.splits if not split.classes]
        are = "is flat: its" if len(flat) == 1 else "are flat: their"
        names = " and ".join(flat)
        yield f"{labelled[0].name!r} has classes, {names} {are} textures have no labels"
    for other in labelled[1:]:
        first, second = set(labelled[0].classes), set(other.classes)
        for name, missing in ((other.name, first - second), (labelled[0].name, second - first)):
            if missing:
                shown = ", ".join(sorted(missing)[:_CLASSES_SHOWN])
                more = ", …" if len(missing) > _CLASSES_SHOWN else ""
                count = "a class" if len(missing) == 1 else f"{len(missing)} classes"
                yield f"{name!r} lacks {count} of the other split ({shown}{more}): labels differ"
