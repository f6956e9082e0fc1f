"""How far a build is, from the files in OUT alone."""

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

_RATE_WINDOW_S = 900.0


@dataclass(frozen=True, slots=True)
class SplitStatus:
    """How far a split is.

    Attributes:
        images: Images planned.
        shards: Shards planned.
        shards_done: Shards that are finished.
        rows: Textures planned.
        rows_done: Textures in finished shards, made or failed.
        failed: Textures among them that failed.
        bytes: Bytes of the finished shards.
    """

    images: int
    shards: int
    shards_done: int
    rows: int
    rows_done: int
    failed: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildStatus:
    """How far a build is.

    Attributes:
        state: ``finished``; ``damaged`` where it was finished, and shards or their records are
            missing or of another size since; ``running``; ``suspended`` where all runs are
            suspended on this machine, as by Ctrl-Z; ``gone`` where a run ended without a report;
            ``stopped`` or ``failed`` where the last run reported that; ``planned`` where no run
            has made anything.
        name: Name of the data set in its card.
        fingerprint: Fingerprint of the build.
        splits: Split name to the status of the split.
        rows: Textures planned.
        rows_done: Textures in finished shards, and those done in shards that are being made.
        failed: Textures among them that failed.
        per_second: Textures a second over the shards that were finished last; None where it is
            not known.
        left_s: Time until the end at that rate, s, while the build runs.
        shard_s: Median time that a shard took, s.
        runs: Last heartbeat of each run that writes to OUT, or wrote to it.
        running: Shards that are being made.
        late: Shards among them that take more than twice as long as others took.
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


def read_status(sink: Sink, now: float | None = None) -> BuildStatus:
    """Reads how far the build in OUT is.

    Args:
        sink: OUT.
        now: Current time, seconds since 1970; None takes the clock's.

    Raises:
        DatasetError: If OUT holds neither a plan nor a finished data set.
        StorageError: If OUT cannot be read.
    """
    # OUT may be a wrong folder with many files: nothing else is read unless one of these exists.
    index, plan = find_index(sink), find_plan(sink)
    if plan is None and index is None:
        raise DatasetError(_without_build(sink))
    files = sink.list("")
    if index is not None and (plan is None or index.fingerprint != plan.fingerprint):
        return _progress_of_index(index, files)
    if plan is None:
        raise AssertionError
    records = find_records(plan, sink, files)
    runs = tuple(read_heartbeats(sink))
    now = time.time() if now is None else now
    alive = [run for run in runs if run.state == "running" and not run.is_gone(now)]
    running = [
        shard for run in alive for shard in run.running if (shard.split, shard.index) not in records
    ]
    complete = len(records) == sum(split.shards for split in plan.splits)
    state = _state(runs, alive) if index is None else _indexed_state(complete)
    return _progress(plan, records, runs, running, state)


def _without_build(sink: Sink) -> str:
    """Error for an OUT without plan and index: what it holds, and what to do."""
    if DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        return f"OUT holds no build, but {FINISH_DOWNLOAD}"
    if unknown := sink.first_unknown_file():
        name = escape_unprintable(unknown)
        return f"OUT holds no build, but other files, such as {name}; give the OUT of a build"
    if sink.list(BUILD):
        return (
            "OUT holds no build yet. If one is running it is still listing SRC; otherwise run "
            "texgen build again"
        )
    return "OUT holds no build and no other files; give the OUT of a build"


def _progress(
    plan: Plan,
    records: Mapping[Shard, ShardRecord],
    runs: tuple[Heartbeat, ...],
    running: list[RunningShard],
    state: str,
) -> BuildStatus:
    splits = _split_statuses(plan, records)
    done = sum(s.rows_done for s in splits.values()) + sum(s.done for s in running)
    rate = _per_second(records.values())
    durations = [record.timings.total_s for record in records.values()]
    late_s = late_after_s(durations)
    late = [shard for shard in running if shard.seconds > late_s]
    return BuildStatus(
        state=state,
        name=plan.name,
        fingerprint=plan.fingerprint,
        splits=splits,
        rows=plan.rows,
        rows_done=done,
        failed=sum(s.failed for s in splits.values()) + sum(s.failed for s in running),
        per_second=rate,
        left_s=(plan.rows - done) / rate if rate and state == "running" else None,
        shard_s=statistics.median(durations) if durations else None,
        runs=runs,
        running=tuple(running),
        late=tuple(sorted(late, key=lambda shard: -shard.seconds)),
    )


def _indexed_state(complete: bool) -> str:
    """The state of a build with an index."""
    return "finished" if complete else "damaged"


def _state(runs: Collection[Heartbeat], alive: Collection[Heartbeat]) -> str:
    """The state of a build without an index."""
    if alive:
        return "suspended" if all(run.is_suspended() for run in alive) else "running"
    if not runs:
        return "planned"
    # The end of a part is not the end of the build.
    last = max(runs, key=lambda run: run.beat).state
    return {"running": "gone", "finished": "stopped"}.get(last, last)


def _split_statuses(plan: Plan, records: Mapping[Shard, ShardRecord]) -> dict[str, SplitStatus]:
    statuses = {}
    for split in plan.splits:
        own = [record for record in records.values() if record.split == split.name]
        statuses[split.name] = SplitStatus(
            split.images,
            split.shards,
            len(own),
            plan.split_rows[split.name],
            sum(record.rows for record in own),
            sum(record.failed for record in own),
            sum(record.size for record in own),
        )
    return statuses


def _per_second(records: Collection[ShardRecord]) -> float | None:
    """Rate over the quarter of an hour before the last shard was finished, or over that shard."""
    ended = [(record.timings.ended, record) for record in records if record.timings.ended]
    if not ended:
        return None
    last = max(end for end, _ in ended)
    recent = [(end, record) for end, record in ended if last - end <= _RATE_WINDOW_S]
    # Counted from the start of the first of them, shards that were made side by side count right.
    begin = min(end - record.timings.total_s for end, record in recent)
    rows = sum(record.rows for _, record in recent)
    return rows / (last - begin) if last > begin else None


def _progress_of_index(index: Index, files: Mapping[str, int]) -> BuildStatus:
    """Progress of a finished data set without its plan, such as a downloaded one."""
    splits = {name: _indexed_split(split, files) for name, split in sorted(index.splits.items())}
    rows, done, failed = (
        sum(getattr(split, name) for split in splits.values())
        for name in ("rows", "rows_done", "failed")
    )
    state = _indexed_state(all(s.shards_done == s.shards for s in splits.values()))
    return BuildStatus(state, index.name, index.fingerprint, splits, rows, done, failed)


def _indexed_split(split: SplitIndex, files: Mapping[str, int]) -> SplitStatus:
    """Status of a finished split, by the shards that OUT still holds."""
    shards = [file for file in split.shards if files.get(file.path) == file.bytes]
    lost = sum(file.samples for file in split.shards) - sum(file.samples for file in shards)
    rows = split.textures + split.failed
    size = sum(file.bytes for file in shards)
    return SplitStatus(
        split.images, len(split.shards), len(shards), rows, rows - lost, split.failed, size
    )
