"""The whole of `texgen build`: plan, make what is missing, finish."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from texgen.config import DatasetConfig, RunOptions
from texgen.driver.finish import Failures, Finished, finish
from texgen.driver.log import BuildLog
from texgen.driver.prepare import Records, check_empty, check_space, find_records, settle_plan
from texgen.driver.schedule import Outcome, Policy, Scheduler, Shard
from texgen.driver.stop import StopRequest
from texgen.driver.view import Status, View
from texgen.driver.workforce import open_executor
from texgen.errors import (
    BuildFailedError,
    ConfigError,
    InterruptedBuildError,
    SourceChangedError,
    StorageError,
)
from texgen.executors import Executor
from texgen.generate import ShardTask
from texgen.index import INDEX, stray_files
from texgen.plan import Plan, PlannedShards
from texgen.source import SourceSpec, open_source
from texgen.storage import Sink, open_sink
from texgen.synthesize import EngineSpec
from texgen.types import ShardRecord, shard_name
from texgen.words import count_of, plain


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What `texgen build` was asked for.

    Attributes:
        source: SRC.
        out: OUT.
        name: The data set's name in its card.
        config: What is made.
        options: How.
    """

    source: SourceSpec
    out: str
    name: str
    config: DatasetConfig
    options: RunOptions


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What a build has made.

    Attributes:
        plan: The whole of it.
        rows: Textures made or failed in this run; 0 where nothing was left to do.
        made: Those of them that were made.
        failures: Failed rows, of earlier runs too.
        seconds: Wall clock of this run.
        within_budget: Whether no more photographs failed than may.
    """

    plan: Plan
    rows: int
    made: int
    failures: Failures
    seconds: float
    within_budget: bool


def build(request: BuildRequest, view: View) -> BuildSummary:
    """Builds a data set, or goes on where an earlier run stopped.

    Raises:
        ConfigError: Before any work, if something contradicts what is on disk.
        InterruptedBuildError: After Ctrl-C or SIGTERM.
        BuildFailedError: If shards could not be made; the others are kept.
        SourceChangedError: If photographs changed; the shards without them are kept.
    """
    started = time.monotonic()
    sink = open_sink(request.out)
    source = open_source(request.source)
    with StopRequest() as stop, contextlib.ExitStack() as held:
        with _before_any_work():
            check_empty(sink)
            held.enter_context(sink.lock())
            log = held.enter_context(BuildLog(sink.log_path()))
            view.say(f"listing {request.source.location}")
            sink.clear_scratch()
            there = sink.list("")
            plan = settle_plan(source, request.config, request.name, sink, there)
            for note in plan.notes:
                view.say(note)
            records = find_records(plan, sink, there)
            check_space(plan, records, sink)
        run = _Run(request, plan, records, sink, view, log, stop)
        finished = run.make()
        run.tell_of_strays(stray_files(finished.index, there))
        sink.clear_scratch()
    failures = finished.failures
    allowed = request.options.failures_allowed(sum(split.images for split in plan.splits))
    return BuildSummary(
        plan,
        sum(record.rows for record in run.new_records()),
        sum(record.samples for record in run.new_records()),
        failures,
        time.monotonic() - started,
        failures.images <= allowed,
    )


@contextlib.contextmanager
def _before_any_work() -> Iterator[None]:
    """An OUT that cannot be used at all is a wrong option; later, it is a build that failed."""
    try:
        yield
    except StorageError as error:
        raise ConfigError(str(error)) from error


class _Run:
    """One run over the missing shards."""

    def __init__(
        self,
        request: BuildRequest,
        plan: Plan,
        records: Records,
        sink: Sink,
        view: View,
        log: BuildLog,
        stop: StopRequest,
    ) -> None:
        self._request = request
        self._plan = plan
        self._records = records
        self._before = frozenset(records)
        self._sink = sink
        self._view = view
        self._log = log
        self._stop = stop
        self._planned = PlannedShards(plan, sink)
        self._engine = EngineSpec(request.config.engine.name, request.options.engine_bin)
        self._engines = 1
        self._earlier = self._done()

    def make(self) -> Finished:
        """Makes the shards without a record, then manifests and index; see `build`."""
        missing = [shard for shard in self._plan.shards() if shard not in self._records]
        with self._told_what_is_kept():
            if missing:
                self._sink.remove(INDEX)
                self._make_shards(missing)
            finished = finish(self._plan, self._records, self._sink)
        if finished.written and not missing:
            self._warn(f"made anew from the records: {', '.join(finished.written)}")
        return finished

    def new_records(self) -> list[ShardRecord]:
        """Of the shards made in this run."""
        return [record for shard, record in self._records.items() if shard not in self._before]

    def tell_of_strays(self, strays: list[str]) -> None:
        """Warns of files that `texgen verify` will find."""
        if strays:
            what = count_of(len(strays), "file")
            self._warn(
                f"OUT holds {what} that the data set lacks, such as {plain(strays[0])}; "
                "move what you need elsewhere, and delete the rest"
            )

    def _make_shards(self, missing: list[Shard]) -> None:
        options = self._request.options
        with self._executor(missing) as executor:
            scheduler = Scheduler(
                executor,
                self._task,
                Policy(options.shard_attempts, options.stall_s, self._engine.deterministic),
                self._finished,
                self._log.line,
                self._warn,
            )
            with self._stop.deferred():
                outcome = scheduler.run(missing, self._pulse)
        self._sink.clear_scratch()
        self._raise_for(outcome)

    @contextlib.contextmanager
    def _told_what_is_kept(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            message = f"{error}; {self._kept()}; once that is mended, the same command goes on"
            raise StorageError(message) from error

    def _kept(self) -> str:
        total = sum(split.shards for split in self._plan.splits)
        return f"{len(self._records)} of {total} shards are kept"

    @contextlib.contextmanager
    def _executor(self, missing: list[Shard]) -> Iterator[Executor]:
        splits = {split.name: split for split in self._plan.splits}
        rows = [self._plan.shard_rows(splits[name], index) for name, index in missing]
        executor, self._engines = open_executor(self._request.options, rows)
        try:
            yield executor
        finally:
            executor.close()

    def _task(self, shard: Shard, attempt: int) -> ShardTask:
        options = self._request.options
        return ShardTask(
            self._planned.load(*shard),
            attempt,
            self._request.config,
            self._plan.fingerprint,
            self._request.source,
            self._request.out,
            self._engine,
            self._engines,
            options.sample_timeout_s,
            options.sample_retries,
        )

    def _finished(self, record: ShardRecord) -> None:
        self._records[record.split, record.index] = record
        self._log.line(
            f"INFO {shard_name(record.split, record.index)} finished: {record.samples} textures, "
            f"{record.failed} failed, {record.timings.total_s:.1f} s"
        )

    def _warn(self, message: str) -> None:
        self._log.line(f"WARNING {message}")
        self._view.say(message)

    def _pulse(self, done: int, failed: int, running: int) -> bool:
        done += self._done()
        failed += sum(record.failed for record in self._records.values())
        each = self._plan.textures_per_image
        self._view.update(
            Status(
                done=done,
                total=self._plan.rows,
                failed=failed,
                earlier=self._earlier,
                images=done // each,
                images_total=self._plan.rows // each,
                running=running,
            )
        )
        return self._stop.exit_code is None

    def _done(self) -> int:
        return sum(record.rows for record in self._records.values())

    def _raise_for(self, outcome: Outcome) -> None:
        kept = self._kept()
        if self._stop.exit_code is not None:
            message = f"stopped; {kept}; the same command goes on from there"
            raise InterruptedBuildError(message, self._stop.exit_code)
        if outcome.given_up:
            shard, error = next(iter(outcome.given_up.items()))
            what = f"{count_of(len(outcome.given_up), 'shard')} could not be made, {kept}; "
            what += f"{shard_name(*shard)}: {error}"
            if outcome.source_changed:
                raise SourceChangedError(what)
            raise BuildFailedError(f"{what}; the same command tries them again")
