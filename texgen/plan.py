"""The plan of a build: which photographs make which shard, fixed before the first task.

On disk it is ``_build/plan.json`` and, for each split, an Arrow file with one
record batch a shard, so that neither making nor reading it takes memory that
grows with the number of photographs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from texgen.config import DatasetConfig, SourceDigest, canonical_json, fingerprint
from texgen.digest import sha256_file
from texgen.errors import SourceError, StorageError
from texgen.source import EXPECTED, Problem, Source, throw
from texgen.storage import Sink, storage_errors
from texgen.types import ArrowFile, ImageEntry, ShardPlan

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


def make_plan(
    source: Source,
    config: DatasetConfig,
    name: str,
    folder: Path,
    problem: Problem = throw,
) -> Plan:
    """Lists the photographs and deals them out to shards.

    Args:
        source: SRC.
        config: What is made.
        name: The data set's name in its card.
        folder: Where ``<split>.arrow`` files are written, which the caller commits.
        problem: Called where there are no photographs; without it that is raised.

    Raises:
        SourceError: If SRC cannot be listed.
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
        problem(SourceError("; ".join(["--src holds no images", *notes, EXPECTED])))
    notes += [f"split {split.name!r} holds no images" for split in splits if not split.images]
    return Plan(name, config.canonical(), tuple(splits), tuple(notes))


def _write_entries(
    entries: Iterable[ImageEntry], config: DatasetConfig, path: Path
) -> tuple[int, int, str]:
    digest = SourceDigest()
    images = shards = 0

    def digested() -> Iterator[ImageEntry]:
        nonlocal images
        for entry in entries:
            digest.add(entry.key, entry.source, entry.size, entry.label)
            images += 1
            yield entry

    with _batches(path) as write:
        for shard in _deal(digested(), config):
            write(shard)
            shards += 1
    return images, shards, digest.hexdigest()


def _deal(entries: Iterable[ImageEntry], config: DatasetConfig) -> Iterator[list[ImageEntry]]:
    """The photographs of each shard."""
    shard: list[ImageEntry] = []
    rows = 0
    for entry in entries:
        left = config.textures_per_image
        # An image whose textures run over a shard's end is planned in both.
        while left:
            taken = min(left, config.samples_per_shard - rows)
            shard.append(entry)
            left, rows = left - taken, rows + taken
            if rows == config.samples_per_shard:
                yield shard
                shard, rows = [], 0
    if shard:
        yield shard


@contextlib.contextmanager
def _batches(path: Path) -> Iterator[Callable[[list[ImageEntry]], None]]:
    """Opens the file of a split's plan and gives what writes a shard to it."""
    with storage_errors("write", path):
        writer = pa.ipc.new_file(str(path), _SCHEMA)

    def write(shard: list[ImageEntry]) -> None:
        with storage_errors("write", path):
            writer.write_batch(_batch(shard))

    yield write
    with storage_errors("write", path):
        writer.close()


def _batch(entries: list[ImageEntry]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    columns = {name: [getattr(e, name) for e in entries] for name in _SCHEMA.names}
    return pa.RecordBatch.from_pydict(columns, schema=_SCHEMA)


def sample_entries(plan: Plan, folder: Path, count: int) -> list[ImageEntry]:
    """At most ``count`` photographs, spread evenly over a plan whose files lie in ``folder``."""
    total = sum(split.images for split in plan.splits)
    wanted = sorted({number * total // count for number in range(count)})
    found, first = [], 0
    for split in plan.splits:
        numbers = [n - first for n in wanted if first <= n < first + split.images]
        reader = _in_passing(folder, split)
        found += list(_entries_at(reader, numbers))
        first += split.images
    return found


def _in_passing(folder: Path, split: SplitPlan) -> Any:  # noqa: ANN401 - pyarrow
    # Not mapped: read from end to end, all of it would count as this process's memory.
    return pa.ipc.open_file(pa.OSFile(str(folder / f"{split.name}.arrow")))


def _entries_at(reader: Any, numbers: list[int]) -> Iterator[ImageEntry]:  # noqa: ANN401 - pyarrow
    """Entries by their number among all rows; an image in two shards is in both."""
    first = 0
    left = iter(numbers)
    number = next(left, None)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        while number is not None and number < first + batch.num_rows:
            yield ImageEntry(**batch.slice(number - first, 1).to_pylist()[0])
            number = next(left, None)
        first += batch.num_rows


def source_bytes(split: SplitPlan, folder: Path) -> int | None:
    """Bytes of a split's photographs, of a plan whose files lie in ``folder``.

    Photographs whose textures run over a shard's end count once for each shard. None where
    no size is known before a photograph is read, as in Parquet.
    """
    reader = _in_passing(folder, split)
    batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
    known = [b["size"].filter(pc.greater_equal(b["size"], 0)) for b in batches]
    if split.images and not any(map(len, known)):
        return None
    return sum(pc.sum(sizes).as_py() or 0 for sizes in known)


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
        with storage_errors("read", path):
            sha256 = sha256_file(path)
        sink.commit(path, entries_path(split.name), sha256, replace=True)
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


def source_differences(old: Plan, new: Plan, sink: Sink, folder: Path) -> Iterator[str]:
    """What differs between the photographs of a plan in OUT and of one in ``folder``."""
    before = {split.name: split for split in old.splits}
    after = {split.name: split for split in new.splits}
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            yield f"split {name!r} is {'new' if name in after else 'gone'}"
        elif before[name].digest != after[name].digest:
            new_entries = pa.memory_map(str(folder / f"{name}.arrow"))
            try:
                first = _first_difference(sink.open(entries_path(name)), new_entries)
            except (pa.ArrowException, OSError, StorageError):
                first = f"unknown, since {entries_path(name)} is gone or damaged"
            counts = f"{before[name].images} images then, {after[name].images} now"
            yield f"split {name!r} has changed ({counts}); first difference: {first}"


def _first_difference(old: ArrowFile, new: ArrowFile) -> str:
    for before, after in itertools.zip_longest(_digestible(old), _digestible(new)):
        if before == after:
            continue
        if before is None:
            return f"{after[0]} is new"
        if after is None:
            return f"{before[0]} is gone"
        if before[0] == after[0]:
            return f"{before[0]} had {_about(*before[1:])}; now {_about(*after[1:])}"
        return f"{before[0]} then, {after[0]} now"
    return "none that the plan shows"


def _digestible(file: ArrowFile) -> Iterator[tuple[Any, ...]]:
    reader = pa.ipc.open_file(file)
    for index in range(reader.num_record_batches):
        for row in reader.get_batch(index).to_pylist():
            yield row["source"], row["size"], row["label"]


def _about(size: int, label: int | None) -> str:
    labelled = "no label" if label is None else f"label {label}"
    return f"{photograph_size(size)}, {labelled}"


def photograph_size(size: int) -> str:
    """`ImageEntry.size` in words."""
    return f"{size} bytes" if size >= 0 else "no size (a link to nothing, or in Parquet)"
