"""`texgen status`."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import asdict

import click

from texgen.build.heartbeat import Heartbeat, RunningShard
from texgen.build.status import BuildStatus, read_status
from texgen.cli.options.common import out_argument, result_options
from texgen.cli.output import first_lines, print_result
from texgen.core.errors import DatasetError
from texgen.core.layout import shard_name
from texgen.core.text import escape_unprintable, format_bytes, format_duration, pluralize
from texgen.storage import Sink

_SHOWN = 5
_ENDED = {"finished", "damaged"}

_STATES = {
    "finished": "finished",
    "damaged": "was finished, but files are missing or damaged: see `texgen verify`",
    "running": "running",
    "suspended": "suspended (Ctrl-Z): resume it by `fg` in its shell, or by `kill -CONT` as below",
    "gone": "not running: its last run ended without notice; the same `texgen build` resumes it",
    "stopped": "not running: the same `texgen build` resumes it",
    "failed": "not running: its last run failed (see _build/logs); the same command resumes it",
    "planned": "planned, no texture is made yet",
}


@click.command(name="status")
@out_argument
@result_options
def command(out: str, s3_endpoint: str | None, as_json: bool) -> None:
    """Show how far the build in OUT is.

    The command reads only OUT. The build may run here, on another machine or on a cluster, or may
    have ended.
    """
    try:
        progress = read_status(Sink(out, s3_endpoint=s3_endpoint))
    except DatasetError as error:
        raise DatasetError(f"{out}: {error}") from error
    print_result(asdict(progress), _lines(out, progress), as_json=as_json)


def _lines(out: str, progress: BuildStatus) -> Iterator[str]:
    yield f"{out}: {_STATES[progress.state]}"
    share = 100 * progress.rows_done / progress.rows if progress.rows else 100.0
    yield (
        f"{share:.1f} %: {progress.rows_done} of {pluralize(progress.rows, 'texture')}, "
        f"{progress.failed} failed"
    )
    for name, split in progress.splits.items():
        done = f"{split.shards_done} of {pluralize(split.shards, 'shard')}"
        size = f", {format_bytes(split.bytes)}" if split.bytes else ""
        yield f"  {name}: {done}, {split.rows_done} of {split.rows}, {split.failed} failed{size}"
    yield from _pace_line(progress)
    if progress.state not in _ENDED:
        now = time.time()
        shown = [run for run in progress.runs if run.state == "running"] or progress.runs
        noun = "more run" if len(shown) == _SHOWN + 1 else "more runs"
        yield from first_lines(shown, _SHOWN, lambda run: _run_line(run, now), noun)
    usual_s = progress.shard_s or 0
    yield from first_lines(progress.late, _SHOWN, lambda shard: _late_line(shard, usual_s))


def _pace_line(progress: BuildStatus) -> Iterator[str]:
    if progress.per_second and progress.state not in _ENDED:
        line = f"{progress.per_second:.2f} textures/s"
        if progress.left_s is not None:
            line += f", {format_duration(progress.left_s)} left"
        if progress.shard_s:
            line += f"; a shard takes {format_duration(progress.shard_s)}"
        yield line


def _run_line(run: Heartbeat, now: float) -> str:
    part = f"part {run.part}, " if run.part else ""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
    # The clocks of two machines may differ.
    ago = max(0.0, now - run.beat)
    line = f"  {part}process {run.pid} on {escape_unprintable(run.host)} since {since}: "
    if run.state != "running":
        return line + f"{run.state} {format_duration(ago)} ago"
    if run.is_suspended():
        return line + f"suspended, no heartbeat for {format_duration(ago)}; kill -CONT {run.pid}"
    if not run.is_gone(now):
        shards = pluralize(len(run.running), "shard")
        return line + f"{shards} in progress, {format_duration(ago)} ago"
    line += f"no heartbeat for {format_duration(ago)}"
    if run.host == socket.gethostname():
        return line
    # Only its own machine can tell a suspended process from one that ended.
    return f"{line}; `texgen status` on {escape_unprintable(run.host)} may know more"


def _late_line(shard: RunningShard, usual_s: float) -> str:
    name = shard_name(shard.split, shard.index)
    line = (
        f"  late: {name}, {format_duration(shard.seconds)} instead of {format_duration(usual_s)}, "
        f"{pluralize(shard.done, 'texture')} done, the last {format_duration(shard.still_s)} ago"
    )
    if not shard.busy:
        return line
    return f"{line}, working on {', '.join(map(escape_unprintable, shard.busy[:3]))}"
