"""Checks every file, sample and manifest row of a finished data set against its index."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from texgen.core.concurrency import ordered_map
from texgen.core.cpus import available_cpus
from texgen.core.layout import PLAN, shard_path
from texgen.dataset.index import Index, SplitIndex, read_index, stray_files
from texgen.dataset.plan import find_plan
from texgen.storage import Sink
from texgen.verify.deep import DeepCheck, DeepOptions, open_deep
from texgen.verify.findings import OnVerifyProgress, VerifyProgress, VerifyReport
from texgen.verify.index_checks import NO_PLAN, order_faults, plan_faults
from texgen.verify.manifests import ManifestCounts, manifest_faults, rows_by_shard
from texgen.verify.remake import installed_difference
from texgen.verify.shards import ShardCheck, check_shard


def verify(
    sink: Sink,
    workers: int | None = None,
    *,
    deep: DeepOptions | None = None,
    progress: OnVerifyProgress = lambda _: None,
) -> VerifyReport:
    """Checks a finished data set.

    Shards are read once, manifests twice. Memory is bounded by the rows of a few shards.

    Args:
        sink: OUT.
        workers: Number of shards read at once; None reads one per processor.
        deep: Checks beyond the index; None for no such checks.
        progress: Called a few times a second.

    Raises:
        DatasetError: If there is no index.
        ConfigError: If SRC does not have the splits of the data set, or cannot be listed.
    """
    index = read_index(sink)
    report = VerifyReport()
    if index.config.get("engine") == "embark-cli":
        report.notes.append("built by embark-cli, which is threaded: another build differs")
    paths = sink.list("")
    report.mendable = sink.first_unknown_file() is None
    report.strays = stray_files(index, paths)
    report.add(f"{path}: not in the index" for path in report.strays)
    plan = find_plan(sink) if PLAN in paths else None
    if plan is None:
        report.notes.append(NO_PLAN)
    else:
        report.add(plan_faults(index, plan))
    workers = workers or available_cpus()
    with warnings.catch_warnings():
        # Decoders warn of details that change no pixel. The filter is set here, once for all
        # threads, since it belongs to the process.
        warnings.simplefilter("ignore")
        deep_check = open_deep(deep, index, plan, sink, report) if deep else None
        check = _Check(index, sink, report, workers, deep_check, progress)
        for name, split in sorted(index.splits.items()):
            check.split(name, split)
        if deep_check is not None:
            deep_check.finish(workers, progress)
    _settle_advice(report, plan.config if plan else index.config, paths)
    return report


def _settle_advice(report: VerifyReport, config: Mapping[str, Any], paths: Container[str]) -> None:
    """Keeps only those shards in the advice to delete that the same build then rebuilds."""
    report.delete = [path for path in dict.fromkeys(report.delete) if path in paths]
    unlike_src = dict.fromkeys(report.unlike_src)
    report.unlike_src = [p for p in unlike_src if p in paths and p not in report.delete]
    if report.sources:
        # A build refuses this SRC, so that a shard that is deleted now would be lost.
        report.delete, report.unlike_src = [], []
    if report.mendable and (report.delete or report.unlike_src):
        report.hindrance = installed_difference(config)
    if report.hindrance or not report.mendable:
        report.delete, report.unlike_src = [], []


@dataclass
class _Check:
    """State of a running check."""

    index: Index
    sink: Sink
    report: VerifyReport
    workers: int
    deep: DeepCheck | None
    progress: OnVerifyProgress

    def split(self, name: str, split: SplitIndex) -> None:
        """Checks the files of a split."""
        report, counts = self.report, ManifestCounts()
        report.add(order_faults(name, split, partial=self.index.partial))
        report.add(manifest_faults(name, self.index, self.sink, counts))
        report.rows += counts.rows
        works = self._works(name, split, trusted=counts.complete and counts.in_order)
        results = ordered_map(
            lambda work: check_shard(work, self.index, self.sink),
            works,
            self.workers,
            on_wait=self._report_progress,
        )
        for number, result in enumerate(results):
            self._add(result, shard_path(name, number))

    def _works(self, name: str, split: SplitIndex, *, trusted: bool) -> Iterator[ShardCheck]:
        if not trusted:
            yield from (ShardCheck(file, None) for file in split.shards)
        elif self.deep is None:
            yield from (ShardCheck(file, rows) for file, rows in rows_by_shard(split, self.sink))
        else:
            yield from self.deep.works(name, split)

    def _add(self, result: ShardCheck, expected_path: str) -> None:
        report, file = self.report, result.file
        report.shards += 1
        report.textures += file.samples
        report.add([*result.faults, *result.differences])
        report.add_sources(result.sources)
        if result.unread:
            report.unread.append(file.path)
        # A forged index must not name other files for deletion.
        elif file.path == expected_path and (result.faults or result.differences):
            (report.delete if result.faults else report.unlike_src).append(file.path)
        self._report_progress()

    def _report_progress(self) -> None:
        total = sum(split.textures for split in self.index.splits.values())
        done = self.report.textures if self.deep is None else self.deep.counter.textures
        self.progress(VerifyProgress(done, total, len(self.report.faults)))
