"""Before the first shard: the plan, what of it is there already, and space for the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from texgen.config import DatasetConfig, differences
from texgen.errors import ConfigError, DatasetError, StorageError
from texgen.index import read_index
from texgen.plan import PLAN, Plan, load_plan, make_plan, save_plan, source_differences
from texgen.records import read_header, record_path
from texgen.source import Source
from texgen.storage import Sink
from texgen.types import ShardRecord, shard_path

_BYTES_PER_PIXEL = {"png": 1.7, "webp": 1.5, "jpg": 0.8}
"""Rounded up from photographs of ImageNet at 224 px."""

_TAR_BYTES = 4096
"""Headers and padding of a sample's members."""


@dataclass(frozen=True, slots=True)
class Found:
    """What OUT holds of a plan.

    Attributes:
        records: Of the finished shards.
        complete: Whether the index is there and nothing is missing.
    """

    records: dict[tuple[str, int], ShardRecord]
    complete: bool


def settle_plan(source: Source, config: DatasetConfig, name: str, sink: Sink) -> Plan:
    """Plans the build, or finds that OUT's plan is the same.

    Raises:
        SourceError: If SRC cannot be listed.
        ConfigError: If OUT holds another data set, or something that is none.
    """
    sink.clear_scratch()
    there = sink.list("")
    with tempfile.TemporaryDirectory(dir=sink.scratch()) as folder:
        plan = make_plan(source, config, name, Path(folder))
        if PLAN not in there:
            save_plan(plan, Path(folder), sink)
            return plan
        try:
            old = load_plan(sink)
        except (ValueError, KeyError, TypeError) as error:
            message = f"{PLAN} in OUT is damaged ({error}); build into a new OUT"
            raise ConfigError(message) from error
        if old == plan:
            # The same bytes again, in case the split files were damaged.
            save_plan(plan, Path(folder), sink)
        else:
            changes = [*_changes(old, plan), *source_differences(old, plan, sink, Path(folder))]
            message = (
                f"OUT holds another build: {'; '.join(changes)}. "
                "Take the same options and photographs to go on, or build into a new OUT"
            )
            raise ConfigError(message)
    return plan


def _changes(old: Plan, new: Plan) -> Iterator[str]:
    if old.name != new.name:
        yield f"--name was {old.name!r} and is now {new.name!r}"
    yield from differences(old.config, new.config)
    before = {split.name: split.classes for split in old.splits}
    for split in new.splits:
        if before.get(split.name, split.classes) != split.classes:
            yield f"the classes of {split.name!r} have changed"


def check_empty(sink: Sink) -> None:
    """Refuses an OUT that holds something, but no build; nothing is written to it.

    Raises:
        ConfigError: If it does.
    """
    if foreign := sink.foreign():
        message = f"OUT is not empty and not a texgen build (it holds {foreign}); name a new one"
        raise ConfigError(message)


def find_records(plan: Plan, sink: Sink) -> Found:
    """What OUT holds of ``plan``: a shard is done when its record is there and fits it.

    One listing; no shard is read. Shards without a record are deleted, since
    an attempt that did not finish may have left them.
    """
    there = sink.list("")
    records: dict[tuple[str, int], ShardRecord] = {}
    for split, index in plan.shards():
        path = shard_path(split, index)
        record = _record(split, index, plan, sink) if record_path(split, index) in there else None
        if record and there.get(path) == record.size:
            records[split, index] = record
        elif path in there:
            sink.remove(path)
    complete = len(records) == sum(split.shards for split in plan.splits)
    return Found(records, complete and _indexed(there, sink))


def _indexed(there: dict[str, int], sink: Sink) -> bool:
    """Whether index and manifests are there."""
    try:
        index = read_index(sink)
    except DatasetError:
        return False
    files = [file for split in index.splits.values() for file in split.manifest]
    return all(there.get(file.path) == file.bytes for file in files)


def _record(split: str, index: int, plan: Plan, sink: Sink) -> ShardRecord | None:
    try:
        record = read_header(sink.open(record_path(split, index)))
    except (StorageError, ValueError, OSError):
        return None
    return record if record.fingerprint == plan.fingerprint else None


def check_space(plan: Plan, found: Found, sink: Sink) -> None:
    """Refuses to begin what the disk cannot hold.

    Raises:
        ConfigError: If the textures that are left will not fit.
    """
    free = sink.free_bytes()
    if free is None:
        return
    pixels = int(plan.config["size"]) ** 2
    one = pixels * _BYTES_PER_PIXEL[str(plan.config["format"])] + _TAR_BYTES
    left = plan.rows - sum(record.rows for record in found.records.values())
    if left * one > free:
        message = (
            f"OUT has {free / 1e9:.1f} GB free, the {left} textures that are left need about "
            f"{left * one / 1e9:.1f} GB; make room, or name an OUT on another disk"
        )
        raise ConfigError(message)
