"""Shards of a plan that are finished, and those that a run still has to make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from texgen.build.retry_failed import set_aside
from texgen.build.versions import check_same_texgen
from texgen.core.concurrency import ordered_map
from texgen.core.config import Part
from texgen.core.layout import earlier_record_path, record_path, shard_path
from texgen.core.types import Shard, ShardRecord
from texgen.dataset.plan import Plan
from texgen.dataset.records import find_shard_record
from texgen.storage import Sink

Records = dict[Shard, ShardRecord]
"""Finished shards and their records."""


@dataclass(frozen=True, slots=True)
class RemainingWork:
    """What OUT holds of a plan, and what a run has to make of it.

    Attributes:
        own: Shards that this run is responsible for, finished or not, in order.
        records: Records of those that are finished.
        missing: Shards among them without a record.
        retried: Missing shards of which only the failed rows are made.
        rows: Rows planned for the missing shards.
        note: Line for the user about the finished shards, or None.
    """

    own: tuple[Shard, ...]
    records: Records
    missing: tuple[Shard, ...]
    retried: frozenset[Shard]
    rows: int
    note: str | None = None


def find_remaining(
    plan: Plan, sink: Sink, files: Mapping[str, int], part: Part | None, *, retry_failed: bool
) -> RemainingWork:
    """Finds what a run, or a part of it, still has to make; ``files`` are all of OUT.

    With ``retry_failed`` shards with failed rows are set aside, to be made again.

    Raises:
        ConfigError: If there is something to make, but another version of texgen made the
            finished shards.
        StorageError: If OUT cannot be read or written.
    """
    own = tuple(
        shard
        for position, shard in enumerate(plan.shards())
        if part is None or part.holds(position)
    )
    finished = find_records(plan, sink, files)
    records = {shard: finished[shard] for shard in own if shard in finished}
    _remove_unfinished(plan, sink, files, (shard for shard in own if shard not in records))
    failed = [s for s, record in records.items() if retry_failed and record.failed]
    work = failed or len(records) < len(own)
    note = check_same_texgen(finished.values()) if work else None
    set_aside(failed, sink)
    for shard in failed:
        del records[shard]
    missing = tuple(shard for shard in own if shard not in records)
    retried = {shard for shard in missing if earlier_record_path(*shard) in files}
    rows = sum(plan.shard_rows(*shard) for shard in missing)
    return RemainingWork(own, records, missing, frozenset(retried.union(failed)), rows, note)


def find_records(plan: Plan, sink: Sink, files: Mapping[str, int]) -> Records:
    """Finished shards of ``plan`` in OUT: those whose record is undamaged and fits plan and tar.

    No tar is opened: its size in ``files``, which are all of OUT, must be the recorded one.
    """
    fingerprint = plan.fingerprint

    def find(shard: Shard) -> tuple[Shard, ShardRecord | None]:
        return shard, find_shard_record(record_path(*shard), sink, files)

    return {
        shard: record
        for shard, record in ordered_map(find, plan.shards(), sink.parallel)
        if _fits(record, fingerprint, files.get(shard_path(*shard)))
    }


def _remove_unfinished(
    plan: Plan, sink: Sink, files: Mapping[str, int], shards: Iterable[Shard]
) -> None:
    """Deletes the tars of shards without a record, which an unfinished attempt left behind.

    A tar stays where the record that was set aside for ``--retry-failed`` fits it.
    """
    fingerprint = plan.fingerprint
    for shard in shards:
        size = files.get(shard_path(*shard))
        earlier = find_shard_record(earlier_record_path(*shard), sink, files)
        if size is not None and not _fits(earlier, fingerprint, size):
            sink.remove(shard_path(*shard))


def _fits(record: ShardRecord | None, fingerprint: str, size: int | None) -> TypeGuard[ShardRecord]:
    """Whether a record is of the build with this fingerprint and of a tar of ``size`` bytes."""
    return record is not None and record.fingerprint == fingerprint and record.size == size
