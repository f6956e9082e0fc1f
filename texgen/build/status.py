"""How far a build is, from what lies in OUT alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from texgen.build.heartbeat import Heartbeat, RunningShard, read_heartbeats
from texgen.build.remaining import find_records
from texgen.build.schedule import late_after_s
from texgen.core.errors import DatasetError
from texgen.core.layout import BUILD, DOWNLOAD, DOWNLOAD_FINGERPRINT
from texgen.core.text import escape_unprintable
from texgen.core.types import Shard, ShardRecord
from texgen.dataset.index import FINISH_DOWNLOAD, Index, SplitIndex, find_index
from texgen.dataset.plan import Plan, find_plan
from texgen.storage import Sink

_WINDOW_S = 900.0


@dataclass(frozen=True, slots=True)
class SplitStatus:
    """How far a split is.

    Attributes:
        images: Photographs planned.
        shards: Shards planned.
        shards_done: Those that are finished.
        rows: Textures planned.
        rows_done: Those in finished shards, made or failed.
        failed: Those of them that failed.
        bytes: Of its finished shards.
    """

    images: int
    shards: int
    shards_done: int
    rows: int
    rows_done: int
    failed: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is.

    Attributes:
        state: ``finished``; ``damaged`` where it was, and shards or their records are gone or
            of another size since; ``running``; ``suspended`` where all runs were stopped on this
            machine, as by Ctrl-Z; ``gone`` where a run ended without a word;
            ``stopped`` or ``failed`` where the last one said so; ``planned`` where none has
            made anything.
        name: The data set's name in its card.
        fingerprint: Of the build.
        splits: By name.
        rows: Textures planned.
        rows_done: Those in finished shards, and those done in shards that are being made.
        failed: Those of them that failed.
        per_second: Textures a second, over the shards that were finished last; None where
            that is not known.
        left_s: Until the end at that rate, s, while it runs.
        shard_s: Median time that a shard took, s.
        runs: What each run that writes to OUT, or wrote to it, said last.
        running: Shards in the making.
        late: Those of them that take more than twice as long as others took.
    """

    state: str
    name: str
    fingerprint: str
    splits: dict[str, SplitStatus]
    rows: int
    rows_done: int
    failed: int
    per_second: float | None = None
    left_s: float | None = None
    shard_s: float | None = None
    runs: tuple[Heartbeat, ...] = ()
    running: tuple[RunningShard, ...] = ()
    late: tuple[RunningShard, ...] = ()


def read_progress(sink: Sink, now: float | None = None) -> BuildProgress:
    """Reads how far the build in OUT is.

    Args:
        sink: OUT.
        now: Seconds since 1970; None is the clock's.

    Raises:
        DatasetError: If OUT holds neither a plan nor a finished data set.
        StorageError: If OUT cannot be read.
    """
    # Only where one of them is there is anything else looked at: OUT may be a wrong folder.
    index, plan = find_index(sink), find_plan(sink)
    if plan is None and index is None:
        raise DatasetError(_nothing(sink))
    there = sink.list("")
    if index is not None and (plan is None or index.fingerprint != plan.fingerprint):
        return _of_index(index, there)
    if plan is None:
        raise AssertionError
    records = find_records(plan, sink, there)
    runs = tuple(read_heartbeats(sink))
    now = time.time() if now is None else now
    alive = [run for run in runs if run.state == "running" and not run.is_gone(now)]
    running = [shard for run in alive for shard in run.running if _key(shard) not in records]
    whole = len(records) == sum(split.shards for split in plan.splits)
    state = _state(runs, alive) if index is None else _finished(whole)
    return _progress(plan, records, runs, running, state)


def _nothing(sink: Sink) -> str:
    """Why there is nothing to tell, and what to do."""
    if DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        return f"no build is there, but {FINISH_DOWNLOAD}"
    if found := sink.first_unknown_file():
        name = escape_unprintable(found)
        return f"no build is there, but others' files, such as {name}; name the OUT of one"
    if sink.list(BUILD):
        return "no build is there yet: one lists SRC, or ended at that; wait, or build again"
    return "no build is there, nor anything else; name the OUT of one"


def _progress(
    plan: Plan,
    records: Mapping[Shard, ShardRecord],
    runs: tuple[Heartbeat, ...],
    running: list[RunningShard],
    state: str,
) -> BuildProgress:
    splits = _splits(plan, records)
    done = sum(s.rows_done for s in splits.values()) + sum(s.done for s in running)
    rate = _per_second(records.values())
    took = [record.timings.total_s for record in records.values()]
    shard_s = statistics.median(took) if took else None
    late_s = late_after_s(took)
    late = [shard for shard in running if shard.seconds > late_s]
    return BuildProgress(
        state=state,
        name=plan.name,
        fingerprint=plan.fingerprint,
        splits=splits,
        rows=plan.rows,
        rows_done=done,
        failed=sum(s.failed for s in splits.values()) + sum(s.failed for s in running),
        per_second=rate,
        left_s=(plan.rows - done) / rate if rate and state == "running" else None,
        shard_s=shard_s,
        runs=runs,
        running=tuple(running),
        late=tuple(sorted(late, key=lambda shard: -shard.seconds)),
    )


def _key(shard: RunningShard) -> Shard:
    return shard.split, shard.index


def _finished(whole: bool) -> str:
    """The state where there is an index."""
    return "finished" if whole else "damaged"


def _state(runs: Collection[Heartbeat], alive: Collection[Heartbeat]) -> str:
    """The state where there is none."""
    if alive:
        return "suspended" if all(run.is_suspended() for run in alive) else "running"
    if not runs:
        return "planned"
    # The end of a part is not that of the build.
    last = max(runs, key=lambda run: run.beat).state
    return {"running": "gone", "finished": "stopped"}.get(last, last)


def _splits(plan: Plan, records: Mapping[Shard, ShardRecord]) -> dict[str, SplitStatus]:
    found = {}
    for split in plan.splits:
        own = [record for record in records.values() if record.split == split.name]
        found[split.name] = SplitStatus(
            split.images,
            split.shards,
            len(own),
            split.images * plan.textures_per_image,
            sum(record.rows for record in own),
            sum(record.failed for record in own),
            sum(record.size for record in own),
        )
    return found


def _per_second(records: Collection[ShardRecord]) -> float | None:
    """Over the quarter of an hour before the last shard was finished, and one shard at least."""
    ended = [(record.timings.ended, record) for record in records if record.timings.ended]
    if not ended:
        return None
    last = max(end for end, _ in ended)
    recent = [(end, record) for end, record in ended if last - end <= _WINDOW_S]
    # From when the first of them was begun: those that were finished together count right.
    begin = min(end - record.timings.total_s for end, record in recent)
    rows = sum(record.rows for _, record in recent)
    return rows / (last - begin) if last > begin else None


def _of_index(index: Index, there: Mapping[str, int]) -> BuildProgress:
    """Of a finished data set without its plan, such as one that was downloaded."""
    splits = {name: _split_there(split, there) for name, split in sorted(index.splits.items())}
    rows, done, failed = (
        sum(getattr(split, name) for split in splits.values())
        for name in ("rows", "rows_done", "failed")
    )
    state = _finished(all(s.shards_done == s.shards for s in splits.values()))
    return BuildProgress(state, index.name, index.fingerprint, splits, rows, done, failed)


def _split_there(split: SplitIndex, there: Mapping[str, int]) -> SplitStatus:
    """A finished split, as far as its shards are there."""
    shards = [file for file in split.shards if there.get(file.path) == file.bytes]
    lost = sum(file.samples for file in split.shards) - sum(file.samples for file in shards)
    rows = split.textures + split.failed
    size = sum(file.bytes for file in shards)
    return SplitStatus(
        split.images, len(split.shards), len(shards), rows, rows - lost, split.failed, size
    )
