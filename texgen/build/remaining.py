"""Shards of a plan that are finished, and those that a run still has to make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from texgen.build.retry_failed import set_aside, set_aside_failed
from texgen.build.versions import check_same_texgen
from texgen.core.concurrency import ordered_map
from texgen.core.config import Part
from texgen.core.layout import earlier_record_path, record_path, shard_path
from texgen.core.types import Shard, ShardRecord
from texgen.dataset.plan import Plan
from texgen.dataset.records import find_header
from texgen.storage import Sink

Records = dict[Shard, ShardRecord]
"""Split and index of the finished shards, and their records."""


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What there is of a plan, and what a run is to make of it.

    Attributes:
        records: Of all finished shards.
        own: The shards that are this run's to make, finished or not, in order.
        missing: Those of them without a record.
        retried: Those of them of which only failed rows are made.
        rows: Textures of the missing shards.
        note: What is to be said of the finished ones; None where it is nothing.
    """

    records: Records
    own: tuple[Shard, ...]
    missing: tuple[Shard, ...]
    retried: frozenset[Shard]
    rows: int
    note: str | None = None


def find_remaining(
    plan: Plan, sink: Sink, there: Mapping[str, int], part: Part | None, *, retry_failed: bool
) -> RemainingWork:
    """Finds what is left for a run to make.

    Args:
        plan: Of the build.
        sink: OUT.
        there: All files of OUT.
        part: Which shards are the run's; None is all.
        retry_failed: Whether shards with failed rows are set aside, to be made again.

    Raises:
        ConfigError: If there is something to make, and what is there another version made.
        StorageError: If OUT cannot be read or written.
    """
    own = tuple(
        shard
        for position, shard in enumerate(plan.shards())
        if part is None or part.holds(position)
    )
    records = find_records(plan, sink, there)
    _remove_unfinished(plan, sink, there, [shard for shard in own if shard not in records])
    work = any(s not in records or (retry_failed and records[s].failed) for s in own)
    note = check_same_texgen(records.values()) if work else None
    again = set_aside_failed(records, own, sink) if retry_failed else []
    for shard in again:
        del records[shard]
    missing = tuple(shard for shard in own if shard not in records)
    retried = {shard for shard in missing if earlier_record_path(*shard) in there}
    splits = {split.name: split for split in plan.splits}
    rows = sum(plan.shard_rows(splits[name], index) for name, index in missing)
    return RemainingWork(records, own, missing, frozenset(retried.union(again)), rows, note)


def find_records(plan: Plan, sink: Sink, there: Mapping[str, int]) -> Records:
    """What OUT holds of ``plan``: a shard is done when its record is whole and fits it.

    No shard is read.

    Args:
        plan: Of the build.
        sink: OUT.
        there: All files of OUT.
    """
    records: Records = {}
    found = ordered_map(
        lambda shard: find_header(record_path(*shard), sink, there), plan.shards(), sink.parallel
    )
    for shard, record in zip(plan.shards(), found, strict=True):
        if _fits(record, plan, there.get(shard_path(*shard))):
            records[shard] = record
    return records


def _remove_unfinished(
    plan: Plan, sink: Sink, there: Mapping[str, int], shards: Iterable[Shard]
) -> None:
    """Deletes the tars of shards without a record: an attempt that did not finish left them.

    Those whose record was set aside stay.
    """
    for shard in shards:
        size = there.get(shard_path(*shard))
        if size is not None and not _fits(set_aside(shard, sink, there), plan, size):
            sink.remove(shard_path(*shard))


def _fits(record: ShardRecord | None, plan: Plan, size: int | None) -> TypeGuard[ShardRecord]:
    return record is not None and record.fingerprint == plan.fingerprint and record.size == size
