"""One attempt at one shard, inside the process that makes it.

Used as it is under plain processes and under Ray.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from texgen.build.executors.base import Event, Logged, Progressed, ticket_of
from texgen.build.shard import ShardTask, generate_shard
from texgen.core.errors import TexgenError
from texgen.core.layout import shard_path
from texgen.core.limits import limit_error
from texgen.core.types import ShardRecord
from texgen.source import open_source
from texgen.storage import attempt_place, open_sink, storage_errors
from texgen.synthesis import EnginePool, EngineSpec

OnEvent = Callable[[Event], None]

REPORT_EVERY_S = 0.5
_MAX_LINES = 2000
"""Log lines that one attempt may send: a shard of failures is that long, a loop is longer."""

_warm: dict[tuple[EngineSpec, int, float, int], EnginePool] = {}
"""The process's engines; they outlive a shard, since the process makes many."""


class TaskError(TexgenError):
    """A bug, or something that nobody foresaw, in a process that makes shards.

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
    """Makes one shard and reports on the way.

    Raises:
        TexgenError: Always of this type, so that it crosses process borders.
    """
    handler = _Forwarder(report)
    logger = logging.getLogger("texgen")
    logger.addHandler(handler)
    place = attempt_place(task.out, shard_path(task.shard.split, task.shard.index))
    try:
        # What reads SRC or runs engines has errors of its own.
        with storage_errors("write", place):
            return _run(task, report)
    except TexgenError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where the unforeseen becomes a typed error
        if limit := limit_error(error):
            raise limit from None
        summary = f"{type(error).__name__}: {error}"
        raise TaskError(summary, traceback.format_exc()) from None
    finally:
        logger.removeHandler(handler)


def _run(task: ShardTask, report: OnEvent) -> ShardRecord:
    sink = open_sink(task.out, task.part, task.s3_endpoint)
    # OUT's own scratch is emptied at the end of a build, whatever was killed on the way.
    pool = warm_pool(task, sink.scratch())
    ticket = ticket_of(task)
    last = 0.0

    def progress(done: int, failed: int) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY_S:
            last = time.monotonic()
            report(Progressed(ticket, done, failed, tuple(pool.busy_with())))

    progress(0, 0)
    return generate_shard(task, pool, open_source(task.source), sink, progress)


def warm_pool(task: ShardTask, scratch: Path) -> EnginePool:
    """This process's engines for ``task``, started anew only where they must differ."""
    wanted = (task.engine, task.engines, task.sample_timeout_s, task.sample_retries)
    if wanted not in _warm:
        close_warm_pool()
        _warm[wanted] = EnginePool(
            task.engine,
            task.engines,
            timeout_s=task.sample_timeout_s,
            retries=task.sample_retries,
            scratch=scratch,
            identity=task.config.engine,
        )
    return _warm[wanted]


def close_warm_pool() -> None:
    """Ends this process's engines."""
    while _warm:
        _warm.popitem()[1].close()


def kill_warm_engines() -> None:
    """Kills this process's engines; takes no lock, so that a signal's handler may call it."""
    for pool in tuple(_warm.values()):
        pool.kill_engines()


class _Forwarder(logging.Handler):
    """Sends log records of this process to the one that keeps the log."""

    def __init__(self, report: OnEvent) -> None:
        super().__init__(logging.INFO)
        self._report = report
        self._lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._lines += 1
        if self._lines <= _MAX_LINES:
            self._report(Logged(f"{record.levelname} {record.getMessage()}"))
