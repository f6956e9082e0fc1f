"""The plan of a build: which images make which shard, fixed before the first task.

On disk it is ``_build/plan.json`` and one Arrow file per split with one record batch per shard, so
that neither writing nor reading it takes memory that grows with the number of images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from texgen.core.errors import StorageError
from texgen.core.fingerprint import canonical_json, fingerprint
from texgen.core.hashing import sha256_file
from texgen.core.layout import PLAN, plan_entries_path
from texgen.core.types import ImageEntry, Shard, ShardPlan
from texgen.storage import Sink, storage_errors

_CLASSES_SHOWN = 3

PLAN_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("source", pa.string()),
        pa.field("locator", pa.binary()),
        pa.field("size", pa.int64()),
        pa.field("label", pa.int32()),
        pa.field("class_name", pa.string()),
    ]
)
"""Arrow schema of a split's plan file."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """A planned split.

    Attributes:
        name: ``train``, ``val``, …
        images: Number of images.
        shards: Number of shards.
        classes: Class names in label order; empty for a flat split.
        digest: `SourceDigest` of the images.
    """

    name: str
    images: int
    shards: int
    classes: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Plan:
    """A planned data set.

    Attributes:
        name: Name of the data set in its index.
        config: `DatasetConfig.canonical`.
        splits: Splits in byte order of their names.
        notes: What the build ignores in SRC, a sentence each.
    """

    name: str
    config: Mapping[str, Any]
    splits: tuple[SplitPlan, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def fingerprint(self) -> str:
        """Digest of configuration and images; see `texgen.core.config.fingerprint`."""
        return fingerprint(self.config, {split.name: split.digest for split in self.splits})

    @property
    def textures_per_image(self) -> int:
        """Number of textures per image."""
        return int(self.config["textures_per_image"])

    @cached_property
    def split_rows(self) -> dict[str, int]:
        """Number of textures of each split."""
        return {split.name: split.images * self.textures_per_image for split in self.splits}

    @property
    def rows(self) -> int:
        """Number of textures of all splits."""
        return sum(self.split_rows.values())

    def shards(self) -> Iterator[Shard]:
        """Yields split and number of every shard, in order."""
        return ((split.name, index) for split in self.splits for index in range(split.shards))

    def shard_rows(self, split: str, index: int) -> int:
        """Returns the number of textures planned for a shard."""
        size = int(self.config["samples_per_shard"])
        return min(size, self.split_rows[split] - index * size)


class PlannedShards:
    """Reads single shards of a plan that is in OUT."""

    def __init__(self, plan: Plan, sink: Sink) -> None:
        self._plan = plan
        self._sink = sink
        self._open: dict[str, Any] = {}

    def load(self, split: str, index: int) -> ShardPlan:
        """Returns the plan of one shard."""
        if split not in self._open:
            self._open[split] = pa.ipc.open_file(self._sink.open(plan_entries_path(split)))
        rows = self._open[split].get_batch(index).to_pylist()
        samples_per_shard = int(self._plan.config["samples_per_shard"])
        return ShardPlan(
            split,
            index,
            tuple(ImageEntry(**row) for row in rows),
            index * samples_per_shard % self._plan.textures_per_image,
            self._plan.shard_rows(split, index),
        )


def save_plan(plan: Plan, folder: Path, sink: Sink) -> None:
    """Writes a plan to OUT: its split files, which lie in ``folder``, and ``plan.json`` last."""
    for split in plan.splits:
        path = folder / f"{split.name}.arrow"
        with storage_errors("read", path):
            sha256 = sha256_file(path)
        sink.commit(path, plan_entries_path(split.name), sha256, replace=True)
    sink.write(PLAN, canonical_json({"fingerprint": plan.fingerprint, **asdict(plan)}))


def load_plan(sink: Sink) -> Plan:
    """Returns the plan that lies in OUT.

    Raises:
        StorageError: If there is no plan.
        ValueError: If the plan is damaged.
    """
    data = sink.open(PLAN).read()
    try:
        document = json.loads(data)
        splits = [SplitPlan(**{**s, "classes": tuple(s["classes"])}) for s in document["splits"]]
        plan = Plan(document["name"], document["config"], tuple(splits), tuple(document["notes"]))
        intact = plan.fingerprint == document["fingerprint"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{PLAN} is damaged ({type(error).__name__}: {error})") from error
    if not intact:
        raise ValueError(f"{PLAN} is damaged: its fingerprint does not fit its content")
    return plan


def find_plan(sink: Sink) -> Plan | None:
    """Returns the plan that lies in OUT, or None where there is none or a damaged one."""
    try:
        return load_plan(sink)
    except (ValueError, StorageError):
        return None


def plan_notes(plan: Plan) -> tuple[str, ...]:
    """Returns notes on a plan for the user: what is left out, and labels that differ."""
    return (*plan.notes, *_numbers_unlike_labels(plan), *_class_differences(plan))


def _numbers_unlike_labels(plan: Plan) -> Iterator[str]:
    """Yields a note per split whose class names are numbers that differ from the labels."""
    for split in plan.splits:
        if all(re.fullmatch("[0-9]{1,9}", name) for name in split.classes):
            numbers = ((int(name), label) for label, name in enumerate(split.classes))
            unlike = next(((n, label) for n, label in numbers if n != label), None)
            if unlike:
                yield (
                    f"the classes of {split.name!r} are numbers, and their labels follow the "
                    f"order of text, as in torchvision's ImageFolder: class {unlike[0]} has label "
                    f"{unlike[1]}"
                )


def _class_differences(plan: Plan) -> Iterator[str]:
    """Yields a note per class difference of splits: the same class then has two labels."""
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
