"""Whether OUT holds another build than the one that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from texgen.core.config import differences
from texgen.core.errors import DatasetError
from texgen.core.layout import INDEX, PLAN, RECORDS
from texgen.core.types import ShardRecord
from texgen.dataset.index import Index, read_index
from texgen.dataset.plan import Plan, load_plan
from texgen.dataset.plan_summary import source_differences
from texgen.dataset.records import find_header
from texgen.storage import Sink


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


def _records_there(sink: Sink, there: Mapping[str, int]) -> Iterator[ShardRecord]:
    for path in there:
        if path.startswith(f"{RECORDS}/") and (record := find_header(path, sink, there)):
            yield record
