"""One attempt at one shard, inside the process that builds it.

Plain processes and Ray use it alike.
"""

from __future__ import annotations

import itertools
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from texgen.build.executors import Event, Logged, Progressed, attempt_of
from texgen.build.log import forwarded_records
from texgen.build.shard import ShardTask, generate_shard
from texgen.core.errors import TexgenError
from texgen.core.layout import shard_path
from texgen.core.limits import limit_error
from texgen.core.types import ShardRecord
from texgen.source import open_source
from texgen.storage import Sink, open_store, scratch_root, storage_errors
from texgen.synthesis import EnginePool, EngineSpec
from texgen.synthesis.engine_spec import GPU_VARIABLE

OnEvent = Callable[[Event], None]

REPORT_EVERY_S = 0.5
_MAX_LINES = 2000
"""Most log lines of one attempt: a shard whose rows all fail has fewer, an endless loop more."""

_warm: dict[tuple[EngineSpec, str | None, int, float, int], EnginePool] = {}
"""Engines of this process; they outlive a shard, since a process builds many."""


class TaskError(TexgenError):
    """An unforeseen exception in a process that builds shards: a bug of texgen.

    Args:
        summary: Type and message of the exception.
        trace: Its traceback, for the log.
    """

    def __init__(self, summary: str, trace: str) -> None:
        super().__init__(summary, trace)
        self.trace = trace

    def __str__(self) -> str:
        return str(self.args[0])


def run_task(task: ShardTask, report: OnEvent) -> ShardRecord:
    """Builds one shard and reports its progress.

    Raises:
        TexgenError: If the shard cannot be built; no other type crosses process borders.
    """
    numbers = itertools.count()

    def log(line: str) -> None:
        if next(numbers) < _MAX_LINES:
            report(Logged(line))

    try:
        shard = shard_path(task.shard.split, task.shard.index)
        place = open_store(task.request.out).local_path(shard) or scratch_root()
        # Reading SRC and running engines raise errors of their own.
        with forwarded_records(log), storage_errors("write", place):
            return _run(task, report)
    except TexgenError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where an unforeseen exception gets a type
        if limit := limit_error(error):
            raise limit from None
        summary = f"{type(error).__name__}: {error}"
        raise TaskError(summary, traceback.format_exc()) from None


def _run(task: ShardTask, report: OnEvent) -> ShardRecord:
    request = task.request
    sink = Sink(request.out, request.options.part, request.options.s3_endpoint)
    # OUT's scratch is emptied at the end of a build, whichever processes were killed.
    pool = warm_pool(task, sink.scratch())
    attempt = attempt_of(task)
    last = 0.0

    def progress(done: int, failed: int) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY_S:
            last = time.monotonic()
            report(Progressed(attempt, done, failed, tuple(pool.busy_with())))

    progress(0, 0)
    return generate_shard(task, pool, open_source(request.source), sink, progress)


def warm_pool(task: ShardTask, scratch: Path) -> EnginePool:
    """Returns this process's engines for ``task``; starts others only if they must differ."""
    engine, options = task.request.engine, task.request.options
    # Ray may give a process another GPU for each shard.
    gpu = os.environ.get(GPU_VARIABLE)
    wanted = (engine, gpu, task.engines, options.sample_timeout_s, options.sample_retries)
    if wanted not in _warm:
        close_warm_pool()
        _warm[wanted] = EnginePool(
            engine,
            task.engines,
            timeout_s=options.sample_timeout_s,
            retries=options.sample_retries,
            scratch=scratch,
            identity=task.request.config.engine,
        )
    return _warm[wanted]


def close_warm_pool() -> None:
    """Ends the engines of this process."""
    while _warm:
        _warm.popitem()[1].close()


def kill_warm_engines() -> None:
    """Kills the engines of this process; takes no lock, so that a signal handler may call it."""
    for pool in tuple(_warm.values()):
        pool.kill_engines()
