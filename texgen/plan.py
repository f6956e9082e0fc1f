"""The plan of a build: which photographs make which shard, fixed before the first task.

On disk it is ``_build/plan.json`` and, for each split, an Arrow file with one
record batch a shard, so that neither making nor reading it takes memory that
grows with the number of photographs.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from texgen.config import DatasetConfig, SourceDigest, canonical_json, fingerprint
from texgen.digest import sha256_file
from texgen.errors import SourceError
from texgen.source import Source
from texgen.storage import Sink
from texgen.types import ImageEntry, ShardPlan

PLAN = "_build/plan.json"

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("source", pa.string()),
        pa.field("locator", pa.binary()),
        pa.field("size", pa.int64()),
        pa.field("label", pa.int32()),
        pa.field("class_name", pa.string()),
    ]
)


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
        """Of configuration and photographs; see `texgen.config.fingerprint`."""
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


def entries_path(split: str) -> str:
    """Path of a split's plan, relative to OUT."""
    return f"_build/plan/{split}.arrow"


def make_plan(source: Source, config: DatasetConfig, name: str, folder: Path) -> Plan:
    """Lists the photographs and deals them out to shards.

    Writes ``<split>.arrow`` files into ``folder``, which the caller commits.

    Raises:
        SourceError: If there are no photographs, or SRC cannot be listed.
    """
    splits, notes = [], []
    # No more than `islice` counts to.
    limit = None if config.limit is None else min(config.limit, sys.maxsize)
    for listing in source.splits():
        path = folder / f"{listing.name}.arrow"
        entries = itertools.islice(source.entries(listing), limit)
        images, shards, digest = _write_entries(entries, config, path)
        splits.append(SplitPlan(listing.name, images, shards, listing.classes, digest))
        notes += [note for note in listing.notes if note not in notes]
    if not any(split.images for split in splits):
        # What was ignored is where the images may be.
        expected = "expected class folders of .jpg, .jpeg, .png, … files"
        raise SourceError("; ".join(["--src holds no images", *notes, expected]))
    notes += [f"split {split.name!r} holds no images" for split in splits if not split.images]
    return Plan(name, config.canonical(), tuple(splits), tuple(notes))


def _write_entries(
    entries: Iterable[ImageEntry], config: DatasetConfig, path: Path
) -> tuple[int, int, str]:
    digest = SourceDigest()
    images = shards = 0
    with pa.ipc.new_file(str(path), _SCHEMA) as writer:
        shard: list[ImageEntry] = []
        rows = 0
        for entry in entries:
            digest.add(entry.key, entry.source, entry.size, entry.label)
            images += 1
            left = config.textures_per_image
            # An image whose textures run over a shard's end is planned in both.
            while left:
                taken = min(left, config.samples_per_shard - rows)
                shard.append(entry)
                left, rows = left - taken, rows + taken
                if rows == config.samples_per_shard:
                    writer.write_batch(_batch(shard))
                    shard, rows, shards = [], 0, shards + 1
        if shard:
            writer.write_batch(_batch(shard))
            shards += 1
    return images, shards, digest.hexdigest()


def _batch(entries: list[ImageEntry]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    columns = {name: [getattr(e, name) for e in entries] for name in _SCHEMA.names}
    return pa.RecordBatch.from_pydict(columns, schema=_SCHEMA)


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
            self._open[split] = pa.ipc.open_file(self._sink.open(entries_path(split)))
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
        sink.commit(path, entries_path(split.name), sha256_file(path), replace=True)
    about = {"fingerprint": plan.fingerprint, **asdict(plan)}
    sink.write(PLAN, canonical_json(about))


def load_plan(sink: Sink) -> Plan:
    """The plan that lies in OUT.

    Raises:
        StorageError: If there is none.
        ValueError: If it is damaged.
    """
    about = json.loads(sink.open(PLAN).read())
    splits = [SplitPlan(**{**s, "classes": tuple(s["classes"])}) for s in about["splits"]]
    return Plan(about["name"], about["config"], tuple(splits), tuple(about["notes"]))


def source_differences(old: Plan, new: Plan, sink: Sink, folder: Path) -> Iterator[str]:
    """What differs between the photographs of a plan in OUT and of one in ``folder``."""
    before = {split.name: split for split in old.splits}
    after = {split.name: split for split in new.splits}
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            yield f"split {name!r} is {'new' if name in after else 'gone'}"
        elif before[name].digest != after[name].digest:
            first = _first_difference(
                _digestible(pa.ipc.open_file(sink.open(entries_path(name)))),
                _digestible(pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow")))),
            )
            counts = f"{before[name].images} images then, {after[name].images} now"
            yield f"split {name!r} has changed ({counts}); first difference: {first}"


def _digestible(reader: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - pyarrow ships no types
    for index in range(reader.num_record_batches):
        for row in reader.get_batch(index).to_pylist():
            yield row["source"], row["size"], row["label"]


def _first_difference(old: Iterator[tuple[Any, ...]], new: Iterator[tuple[Any, ...]]) -> str:
    for before, after in itertools.zip_longest(old, new):
        if before == after:
            continue
        if before and after and before[0] == after[0]:
            return f"{before[0]} had {before[1]} bytes, label {before[2]}; now {after[1:]}"
        return f"then {before and before[0]}, now {after and after[0]}"
    return "none that the plan shows"
