"""One run of a build: makes the shards that are missing, then finishes the data set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from texgen.build.finish import FinishedDataset, finish_dataset
from texgen.build.heartbeat import HeartbeatWriter, RunningShard
from texgen.build.log import WriteLine
from texgen.build.plan import BuildRequest
from texgen.build.progress import BuildMonitor, BuildProgress
from texgen.build.remaining import RemainingWork, find_records
from texgen.build.retry_failed import delete_set_aside
from texgen.build.schedule import Policy, Scheduler
from texgen.build.shard import ShardTask
from texgen.build.sizing import open_executor
from texgen.build.stop import StopRequest
from texgen.core.errors import (
    BuildFailedError,
    InterruptedBuildError,
    SourceChangedError,
    StorageError,
)
from texgen.core.layout import INDEX, shard_name
from texgen.core.text import escape_unprintable, pluralize
from texgen.core.types import Shard, ShardRecord
from texgen.dataset.index import Index, stray_files
from texgen.dataset.plan import Plan, PlannedShards
from texgen.storage import Sink


class BuildRun:
    """One run over the missing shards.

    Attributes:
        rows: Rows planned for this run's shards, those of earlier runs included.
        left_to_others: Shards that other parts had still to make when this run ended.
    """

    def __init__(
        self,
        request: BuildRequest,
        plan: Plan,
        remaining: RemainingWork,
        sink: Sink,
        monitor: BuildMonitor,
        log: WriteLine,
        stop: StopRequest,
        heartbeat: HeartbeatWriter,
    ) -> None:
        self._request = request
        self._plan = plan
        self._remaining = remaining
        # Those of other parts are read at the end.
        self._records = dict(remaining.records)
        self._before = frozenset(remaining.records)
        self._sink = sink
        self._monitor = monitor
        self._log = log
        self._stop = stop
        self._heartbeat = heartbeat
        self._planned = PlannedShards(plan, sink)
        self.rows = sum(plan.shard_rows(*shard) for shard in remaining.own)
        self._engines = 1
        self.left_to_others = 0

    def make(self) -> None:
        """Makes this run's missing shards; see `texgen.build.build.build` for the errors."""
        if self._remaining.missing:
            with self._storage_errors_name_what_is_kept():
                self._sink.remove(INDEX)
                self._make_shards(self._remaining.missing)

    def finish(self) -> FinishedDataset | None:
        """Writes manifests and index; None where other parts still have shards to make."""
        with self._storage_errors_name_what_is_kept(), self._sink.finish_lock():
            records = self._records
            if self._request.options.part is not None:
                records = find_records(self._plan, self._sink, self._sink.list(""))
            self.left_to_others = sum(s.shards for s in self._plan.splits) - len(records)
            if self.left_to_others:
                return None
            finished = finish_dataset(self._plan, records, self._sink)
            delete_set_aside(self._sink)
        if finished.written and not self._remaining.missing and self._request.options.part is None:
            self._warn(f"rewritten from the records: {', '.join(finished.written)}")
        self._warn_of_stray_files(finished.index)
        return finished

    def _warn_of_stray_files(self, index: Index) -> None:
        """Warns of files that `texgen verify` will report."""
        if strays := stray_files(index, self._sink.list("")):
            files, first = pluralize(len(strays), "file"), escape_unprintable(strays[0])
            self._warn(
                f"OUT holds {files} that the data set does not name, such as {first}; "
                "move what you need elsewhere and delete the rest"
            )

    def new_records(self) -> list[ShardRecord]:
        """Records of the shards that this run made."""
        return [record for shard, record in self._records.items() if shard not in self._before]

    def _make_shards(self, missing: Sequence[Shard]) -> None:
        options = self._request.options
        rows = [self._plan.shard_rows(*shard) for shard in missing]
        executor, self._engines = open_executor(options, rows)
        with contextlib.closing(executor):
            scheduler = Scheduler(
                executor,
                self._task,
                Policy(options.shard_attempts, options.stall_s, self._request.engine.deterministic),
                self._shard_finished,
                self._log,
                self._warn,
            )
            with self._stop.deferred():
                given_up = scheduler.run(missing, self._report_progress)
        self._sink.clear_scratch()
        self._raise_for(given_up)

    @contextlib.contextmanager
    def _storage_errors_name_what_is_kept(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            raise StorageError(
                f"{error}; {self._kept()}; once the cause is fixed, the same command resumes the "
                "build"
            ) from error

    def _kept(self) -> str:
        kept = len(self._records)
        return f"{kept} of {len(self._remaining.own)} shards {'is' if kept == 1 else 'are'} kept"

    def _task(self, shard: Shard, attempt: int) -> ShardTask:
        return ShardTask(
            self._planned.load(*shard),
            attempt,
            self._request,
            self._plan.fingerprint,
            self._engines,
            retry=shard in self._remaining.retried,
        )

    def _shard_finished(self, record: ShardRecord) -> None:
        self._records[record.split, record.index] = record
        self._log(
            f"INFO {shard_name(record.split, record.index)} finished: {record.samples} textures, "
            f"{record.failed} failed, {record.timings.total_s:.1f} s"
        )

    def _warn(self, message: str) -> None:
        self._log(f"WARNING {message}")
        self._monitor.message(message)

    def _report_progress(self, running: list[RunningShard]) -> bool:
        """Updates heartbeat and monitor; False once the build has been asked to stop."""
        self._heartbeat.beat(running)
        records = self._records.values()
        done = sum(record.rows for record in records) + sum(shard.done for shard in running)
        failed = sum(record.failed for record in records) + sum(shard.failed for shard in running)
        each = self._plan.textures_per_image
        self._monitor.update(
            BuildProgress(done, self.rows, failed, done // each, self.rows // each)
        )
        return self._stop.exit_code is None

    def _raise_for(self, given_up: Mapping[Shard, Exception]) -> None:
        kept = self._kept()
        if self._stop.exit_code is not None:
            message = f"stopped; {kept}; the same command resumes the build"
            raise InterruptedBuildError(message, self._stop.exit_code)
        if given_up:
            shard, error = next(iter(given_up.items()))
            message = f"{pluralize(len(given_up), 'shard')} could not be made, {kept}; "
            message += f"{shard_name(*shard)}: {error}"
            if any(isinstance(error, SourceChangedError) for error in given_up.values()):
                raise SourceChangedError(message)
            raise BuildFailedError(f"{message}; the same command tries them again")
