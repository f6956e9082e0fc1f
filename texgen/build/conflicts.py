"""Whether OUT holds another build than the one that is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from texgen.core.errors import DatasetError
from texgen.core.fingerprint import differences
from texgen.core.layout import INDEX, PLAN, RECORDS
from texgen.dataset.index import read_index
from texgen.dataset.plan import Plan, load_plan
from texgen.dataset.plan_summary import source_differences
from texgen.dataset.records import find_shard_record
from texgen.storage import Sink


def find_conflicts(plan: Plan, folder: Path, sink: Sink, files: Mapping[str, int]) -> Iterator[str]:
    """What the build in OUT has other than ``plan``, a phrase for each difference.

    The files of ``plan`` lie in ``folder``; ``files`` are all of OUT.
    """
    if PLAN in files:
        try:
            old = load_plan(sink)
        except ValueError:
            # A damaged plan is written again, if nothing else contradicts the new one.
            pass
        else:
            if old != plan:
                yield from _plan_differences(old, plan)
                yield from source_differences(old, plan, sink, folder)
            return
    # Without a plan, index and records still hold the fingerprint of what they were made of.
    index = None
    if INDEX in files:
        with contextlib.suppress(DatasetError):
            index = read_index(sink)
    fingerprints = set(_record_fingerprints(sink, files))
    fingerprints |= {index.fingerprint} if index else set()
    if index and plan.fingerprint in fingerprints:
        yield from differences({"--name": index.name}, {"--name": plan.name})
    elif fingerprints and plan.fingerprint not in fingerprints:
        changes = differences(index.config, plan.config) if index else []
        yield from changes or ["it was made with other options or of other images"]


def _plan_differences(old: Plan, new: Plan) -> Iterator[str]:
    yield from differences({"--name": old.name, **old.config}, {"--name": new.name, **new.config})
    old_classes = {split.name: split.classes for split in old.splits}
    for split in new.splits:
        if old_classes.get(split.name, split.classes) != split.classes:
            yield f"the classes of {split.name!r} have changed"


def _record_fingerprints(sink: Sink, files: Mapping[str, int]) -> Iterator[str]:
    for path in files:
        if path.startswith(f"{RECORDS}/") and (record := find_shard_record(path, sink, files)):
            yield record.fingerprint
