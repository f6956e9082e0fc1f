"""The whole of `texgen build`: plan, make what is missing, finish."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from texgen.build.checks import before_any_work, check_empty, check_space
from texgen.build.finish import Failures, count_failures
from texgen.build.heartbeat import HeartbeatWriter
from texgen.build.log import BuildLog
from texgen.build.plan import BuildRequest, load_or_create_plan
from texgen.build.progress import BuildMonitor
from texgen.build.remaining import RemainingWork, find_remaining
from texgen.build.run import BuildRun
from texgen.build.stop import StopRequest
from texgen.core.cpus import available_cpus
from texgen.core.errors import InterruptedBuildError
from texgen.dataset.index import stray_files
from texgen.dataset.plan import Plan, notes_of
from texgen.source import Source, open_source
from texgen.storage import Sink, open_sink


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What a build has made.

    Attributes:
        plan: The whole of it.
        rows: Textures made or failed in this run; 0 where nothing was left to do.
        made: Those of them that were made.
        textures: Textures that are there, of earlier runs too; of a part that is not the
            last to end, those of its own shards.
        failures: Failed rows, likewise.
        seconds: Wall clock of this run.
        failures_allowed: Photographs that may fail.
        left_to_others: Shards that other parts have still to make; the index is
            written by the part that finds none.
    """

    plan: Plan
    rows: int
    made: int
    textures: int
    failures: Failures
    seconds: float
    failures_allowed: int
    left_to_others: int = 0

    @property
    def within_budget(self) -> bool:
        """Whether no more photographs failed than may."""
        return self.failures.images <= self.failures_allowed


def build(request: BuildRequest, view: BuildMonitor) -> BuildSummary:
    """Builds a data set, or goes on where an earlier run stopped.

    Raises:
        ConfigError: Before any work, if something contradicts what is on disk.
        InterruptedBuildError: After Ctrl-C or SIGTERM.
        BuildFailedError: If shards could not be made; the others are kept.
        SourceChangedError: If photographs changed; the shards without them are kept.
    """
    started = time.monotonic()
    sink = open_sink(request.out, request.options.part, request.options.s3_endpoint)
    source = open_source(request.source)
    with StopRequest() as stop, contextlib.ExitStack() as held:
        with before_any_work():
            check_empty(sink, overwrite=request.options.overwrite)
            held.enter_context(sink.lock())
            # Once it is closed.
            held.callback(sink.upload_log)
            log = held.enter_context(BuildLog(sink.log_path()))
            heartbeat = HeartbeatWriter(sink, request.options.part)
            held.enter_context(_last_beat(heartbeat))
            plan, left = _prepare(request, source, sink, view)
        for note in notes_of(plan):
            log.line(f"NOTE {note}")
            view.say(note)
        run = BuildRun(request, plan, left, sink, view, log, stop, heartbeat)
        run.make()
        finished = run.finish()
        if finished:
            run.tell_of_strays(stray_files(finished.index, sink.list("")))
        sink.clear_scratch()
        failures = finished.failures if finished else count_failures(left.own, sink)
    rows = plan.rows if finished else run.rows
    allowed = request.options.failures_allowed(-(-rows // plan.textures_per_image))
    made = run.new_records()
    return BuildSummary(
        plan,
        sum(record.rows - record.kept for record in made),
        sum(record.samples - record.kept for record in made),
        rows - failures.rows,
        failures,
        time.monotonic() - started,
        allowed,
        run.left_to_others,
    )


def _prepare(
    request: BuildRequest, source: Source, sink: Sink, view: BuildMonitor
) -> tuple[Plan, RemainingWork]:
    """The plan, and what of it is left for this run."""
    options = request.options
    form = f" ({request.source.format})" if request.source.format else ""
    view.say(f"listing {request.source.location}{form}")
    sink.clear_scratch()
    there = sink.list("")
    plan = load_or_create_plan(request, source, sink, there)
    there = sink.list("") if options.overwrite else there
    left = find_remaining(plan, sink, there, options.part, retry_failed=options.retry_failed)
    if left.note:
        view.say(left.note)
    check_space(plan, left.rows, sink, options.workers or available_cpus())
    return plan, left


@contextlib.contextmanager
def _last_beat(heartbeat: HeartbeatWriter) -> Iterator[None]:
    """Says how the run ended."""
    state = "failed"
    try:
        yield
        state = "finished"
    except InterruptedBuildError:
        state = "stopped"
        raise
    finally:
        heartbeat.end(state)
