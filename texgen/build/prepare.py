"""Before the first shard: the plan, what of it is there already, and space for the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from texgen.build.overwrite import discard
from texgen.build.plan import make_plan
from texgen.build.retry import set_aside, set_aside_failed
from texgen.build.versions import check_same_texgen
from texgen.core.concurrency import ordered_map
from texgen.core.config import DatasetConfig, Part, differences
from texgen.core.errors import ConfigError, DatasetError, StorageError
from texgen.core.layout import (
    DOWNLOAD,
    DOWNLOAD_FINGERPRINT,
    INDEX,
    PLAN,
    RECORDS,
    earlier_record_path,
    record_path,
    shard_path,
)
from texgen.core.text import format_bytes, pluralize
from texgen.core.types import Shard, ShardRecord
from texgen.dataset.index import FINISH_DOWNLOAD, Index, read_index
from texgen.dataset.plan import Plan, load_plan, save_plan
from texgen.dataset.plan_summary import source_differences
from texgen.dataset.records import find_header
from texgen.source import Source
from texgen.storage import Sink, scratch_folder

_BYTES_PER_PIXEL = {"png": 1.7, "webp": 1.5, "jpg": 0.8}
"""Rounded up from photographs of ImageNet at 224 px."""

_TAR_BYTES = 4096
"""Headers and padding of a sample's members."""


Records = dict[Shard, ShardRecord]
"""Split and index of the finished shards, and their records."""


def load_or_create_plan(
    source: Source,
    config: DatasetConfig,
    name: str,
    sink: Sink,
    there: Mapping[str, int],
    *,
    overwrite: bool = False,
    retry_failed: bool = False,
) -> Plan:
    """Plans the build, or finds that OUT's plan is the same.

    Args:
        source: SRC.
        config: What is made.
        name: The data set's name in its card.
        sink: OUT.
        there: All files of OUT.
        overwrite: Whether they are thrown away, once there is a plan.
        retry_failed: Whether failed rows are to be tried again.

    Raises:
        SourceError: If SRC cannot be listed.
        ConfigError: If OUT holds another data set; or, to be thrown away, foreign files.
    """
    with scratch_folder(sink.scratch()) as folder:
        plan = make_plan(source, config, name, folder)
        if overwrite:
            discard(sink, there)
        elif changes := list(contradictions(plan, folder, sink, there)):
            message = (
                f"OUT holds another build: {'; '.join(changes)}. "
                "Take the same options and photographs to go on, or build into a new OUT"
            )
            if retry_failed:
                message += "; --retry-failed is for photographs of which no byte has changed"
            raise ConfigError(message)
        # Over one that is there too: its files may be damaged.
        save_plan(plan, folder, sink)
    return plan


def contradictions(plan: Plan, folder: Path, sink: Sink, there: Mapping[str, int]) -> Iterator[str]:
    """What OUT says of itself that is not so in ``plan``, a phrase each.

    Args:
        plan: Of the build that is asked for.
        folder: Where the files of ``plan`` lie.
        sink: OUT.
        there: All files of OUT.
    """
    if PLAN in there:
        try:
            old = load_plan(sink)
        except ValueError:
            pass
        else:
            if old != plan:
                yield from _changes(old, plan)
                yield from source_differences(old, plan, sink, folder)
            return
    # Without a plan, index and records still say what they were made of.
    index = _index(sink) if INDEX in there else None
    said = {record.fingerprint for record in _records_there(sink, there)}
    said |= {index.fingerprint} if index else set()
    if index and plan.fingerprint in said:
        yield from _renamed(index.name, plan.name)
    elif said and plan.fingerprint not in said:
        changes = differences(index.config, plan.config) if index else []
        yield from changes or ["it is of other options or photographs"]


def _index(sink: Sink) -> Index | None:
    try:
        return read_index(sink)
    except DatasetError:
        return None


def _changes(old: Plan, new: Plan) -> Iterator[str]:
    yield from _renamed(old.name, new.name)
    yield from differences(old.config, new.config)
    before = {split.name: split.classes for split in old.splits}
    for split in new.splits:
        if before.get(split.name, split.classes) != split.classes:
            yield f"the classes of {split.name!r} have changed"


def _renamed(old: str, new: str) -> Iterator[str]:
    if old != new:
        yield f"--name was {old!r} and is now {new!r}"


@contextlib.contextmanager
def before_any_work() -> Iterator[None]:
    """An OUT that cannot be used at all is a wrong option; later, it is a build that failed."""
    try:
        yield
    except StorageError as error:
        raise ConfigError(str(error)) from error


def check_empty(sink: Sink, *, overwrite: bool = False) -> None:
    """Refuses an OUT that holds something, but no build; nothing is written to it.

    Args:
        sink: OUT.
        overwrite: Whether what texgen wrote there, a download too, is to be thrown away.

    Raises:
        ConfigError: If it does.
    """
    if foreign := sink.first_unknown_file():
        message = f"OUT is not empty and not a texgen build (it holds {foreign}); name a new one"
        raise ConfigError(message)
    if not overwrite and DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        message = f"OUT holds {FINISH_DOWNLOAD}; name another OUT for a build"
        raise ConfigError(message)


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
    mine = frozenset(own)
    records = find_records(plan, sink, there, mine.__contains__)
    work = any(s not in records or (retry_failed and records[s].failed) for s in own)
    note = check_same_texgen(records.values()) if work else None
    again = set_aside_failed(records, mine.__contains__, sink) if retry_failed else []
    for shard in again:
        del records[shard]
    missing = tuple(shard for shard in own if shard not in records)
    retried = {shard for shard in missing if earlier_record_path(*shard) in there}
    splits = {split.name: split for split in plan.splits}
    rows = sum(plan.shard_rows(splits[name], index) for name, index in missing)
    return RemainingWork(records, own, missing, frozenset(retried.union(again)), rows, note)


def find_records(
    plan: Plan, sink: Sink, there: Mapping[str, int], mine: Callable[[Shard], bool] = lambda _: True
) -> Records:
    """What OUT holds of ``plan``: a shard is done when its record is whole and fits it.

    No shard is read. Shards without a record are deleted, since an attempt that did
    not finish may have left them; but not those whose record `retry` has set aside.

    Args:
        plan: Of the build.
        sink: OUT.
        there: All files of OUT.
        mine: Whether a shard is this run's; the files of others are left alone.
    """
    records: Records = {}
    found = ordered_map(
        lambda shard: find_header(record_path(*shard), sink, there), plan.shards(), sink.parallel
    )
    for shard, record in zip(plan.shards(), found, strict=True):
        size = there.get(shard_path(*shard))
        if _fits(record, plan, size):
            records[shard] = record
        elif (
            size is not None
            and mine(shard)
            and not _fits(set_aside(shard, sink, there), plan, size)
        ):
            sink.remove(shard_path(*shard))
    return records


def _fits(record: ShardRecord | None, plan: Plan, size: int | None) -> TypeGuard[ShardRecord]:
    return record is not None and record.fingerprint == plan.fingerprint and record.size == size


def _records_there(sink: Sink, there: Mapping[str, int]) -> Iterator[ShardRecord]:
    for path in there:
        if path.startswith(f"{RECORDS}/") and (record := find_header(path, sink, there)):
            yield record


def bytes_needed(plan: Plan, rows: int) -> float:
    """Bytes that ``rows`` more textures may need, an upper estimate."""
    pixels = int(plan.config["size"]) ** 2
    return rows * (pixels * _BYTES_PER_PIXEL[str(plan.config["format"])] + _TAR_BYTES)


def check_space(plan: Plan, rows: int, sink: Sink, workers: int = 1) -> None:
    """Refuses to begin what the disk cannot hold.

    Args:
        plan: Of the build.
        rows: Textures that are left to make.
        sink: OUT.
        workers: Shards that may be in the making at once on this machine.

    Raises:
        ConfigError: If the textures that are left will not fit.
    """
    free = sink.free_bytes()
    needed = bytes_needed(plan, rows)
    if free is not None and needed > free:
        message = (
            f"OUT has {format_bytes(free)} free, the {pluralize(rows, 'texture')} left to make "
            f"need about {format_bytes(needed)}; make room, or name an OUT on another disk"
        )
        raise ConfigError(message)
    free = sink.free_scratch_bytes()
    at_once = bytes_needed(plan, min(rows, workers * int(plan.config["samples_per_shard"])))
    if free is not None and at_once > free:
        message = (
            f"the folder for unfinished shards has {format_bytes(free)} free, about "
            f"{format_bytes(at_once)} are needed; make room, or set TMPDIR to another disk"
        )
        raise ConfigError(message)
