"""`texgen build` from end to end: plan, remaining work, run, finish."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from texgen.build.checks import check_contents, check_space, storage_errors_are_config_errors
from texgen.build.finish import Failures, count_failures
from texgen.build.heartbeat import HeartbeatWriter
from texgen.build.log import build_log
from texgen.build.plan import BuildRequest, load_or_create_plan
from texgen.build.progress import BuildMonitor
from texgen.build.remaining import RemainingWork, find_remaining
from texgen.build.run import BuildRun
from texgen.build.stop import StopRequest
from texgen.core.cpus import available_cpus
from texgen.dataset.plan import Plan, plan_notes
from texgen.source import Source, open_source
from texgen.storage import Sink


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What a build has made.

    Attributes:
        plan: The plan of the whole data set.
        rows: Rows that this run added, textures and failures; 0 where nothing was left to do.
        made: Textures among them.
        textures: Textures in OUT, those of earlier runs included. A part that is not the last
            to end counts its own shards only.
        failures: Failed rows of the same shards.
        seconds: Wall clock of this run.
        failures_allowed: Number of images that may fail.
        left_to_others: Shards that other parts still have to make. The part that finds none
            writes the index.
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
        """Whether no more images failed than allowed."""
        return self.failures.images <= self.failures_allowed


def build(request: BuildRequest, monitor: BuildMonitor) -> BuildSummary:
    """Builds a data set, or resumes where an earlier run stopped.

    Raises:
        ConfigError: If something contradicts what is in OUT; raised before any work.
        InterruptedBuildError: After Ctrl-C or SIGTERM.
        BuildFailedError: If shards could not be made; the others are kept.
        SourceChangedError: If images have changed; the shards without them are kept.
    """
    started = time.monotonic()
    sink = Sink(request.out, request.options.part, request.options.s3_endpoint)
    source = open_source(request.source)
    with StopRequest() as stop, contextlib.ExitStack() as stack:
        with storage_errors_are_config_errors():
            check_contents(sink, overwrite=request.options.overwrite)
            stack.enter_context(sink.lock())
            # Registered before the log is opened, so that it runs after the log is closed.
            stack.callback(sink.upload_log)
            log = stack.enter_context(build_log(sink.log_path()))
            heartbeat = stack.enter_context(HeartbeatWriter(sink, request.options.part))
            plan, remaining = _prepare(request, source, sink, monitor)
        for note in (*request.notes, *plan_notes(plan)):
            log(f"NOTE {note}")
            monitor.message(note)
        run = BuildRun(request, plan, remaining, sink, monitor, log, stop, heartbeat)
        run.make()
        finished = run.finish()
        sink.clear_scratch()
        failures = finished.failures if finished else count_failures(remaining.own, sink)
    rows = plan.rows if finished else run.rows
    images = -(-rows // plan.textures_per_image)
    new = run.new_records()
    return BuildSummary(
        plan,
        sum(record.rows - record.kept for record in new),
        sum(record.samples - record.kept for record in new),
        rows - failures.rows,
        failures,
        time.monotonic() - started,
        request.options.failures_allowed(images),
        run.left_to_others,
    )


def _prepare(
    request: BuildRequest, source: Source, sink: Sink, monitor: BuildMonitor
) -> tuple[Plan, RemainingWork]:
    """The plan, and what of it this run has to make."""
    options = request.options
    source_format = f" ({request.source.format})" if request.source.format else ""
    monitor.message(f"listing {request.source.location}{source_format}")
    sink.clear_scratch()
    files = sink.list("")
    plan = load_or_create_plan(request, source, sink, files)
    if options.overwrite:
        files = sink.list("")
    remaining = find_remaining(plan, sink, files, options.part, retry_failed=options.retry_failed)
    if remaining.note:
        monitor.message(remaining.note)
    check_space(plan, remaining.rows, sink, options.workers or available_cpus())
    return plan, remaining
