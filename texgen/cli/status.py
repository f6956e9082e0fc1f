"""`texgen status`."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict

import click

from texgen.build.heartbeat import Heartbeat, RunningShard
from texgen.build.status import BuildProgress, read_progress
from texgen.cli.options.common import Place, s3_endpoint_option
from texgen.cli.output import print_json, print_result
from texgen.core.errors import DatasetError
from texgen.core.layout import shard_name
from texgen.core.text import escape_unprintable, format_bytes, format_duration, pluralize
from texgen.storage import open_sink

_SHOWN = 5
_ENDED = {"finished", "damaged"}

_STATES = {
    "finished": "finished",
    "damaged": "finished once, but not all of it is there: `texgen verify` says what to do",
    "running": "running",
    "suspended": "stopped (Ctrl-Z): `fg` in its shell, or `kill -CONT` as below, lets it go on",
    "gone": "not running: its last run ended without a word; the same `texgen build` goes on",
    "stopped": "not running: the same `texgen build` goes on",
    "failed": "not running: its last run failed, _build/logs says why; the same command goes on",
    "planned": "planned, nothing is made yet",
}


@click.command(name="status", short_help="how far a build is")
@click.argument("out", type=Place(), metavar="OUT")
@s3_endpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(out: str, s3_endpoint: str | None, as_json: bool) -> None:
    """Tell how far the build in OUT is, from what lies there alone.

    It may run here, on another machine, on a cluster, or no longer.
    """
    try:
        progress = read_progress(open_sink(out, s3_endpoint=s3_endpoint))
    except DatasetError as error:
        message = f"{out}: {error}"
        raise DatasetError(message) from error
    if as_json:
        print_json(json.dumps(asdict(progress)))
    else:
        print_result(*_text(out, progress))


def _text(out: str, progress: BuildProgress) -> Iterator[str]:
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
    yield from _pace(progress)
    if progress.state not in _ENDED:
        now = time.time()
        shown = [run for run in progress.runs if run.state == "running"] or progress.runs
        yield from (_run(run, now) for run in shown[:_SHOWN])
        if len(shown) > _SHOWN:
            yield f"  … and {pluralize(len(shown) - _SHOWN, 'more run')}; --json lists them all"
    yield from (_late(shard, progress.shard_s or 0) for shard in progress.late[:_SHOWN])
    if len(progress.late) > _SHOWN:
        yield f"  … and {len(progress.late) - _SHOWN} more; --json lists them all"


def _pace(progress: BuildProgress) -> Iterator[str]:
    if progress.per_second and progress.state not in _ENDED:
        line = f"{progress.per_second:.2f} textures/s"
        if progress.left_s is not None:
            line += f", {format_duration(progress.left_s)} left"
        if progress.shard_s:
            line += f"; a shard takes {format_duration(progress.shard_s)}"
        yield line


def _run(run: Heartbeat, now: float) -> str:
    part = f"part {run.part}, " if run.part else ""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
    # Clocks of two machines differ.
    ago = max(0.0, now - run.beat)
    line = f"  {part}process {run.pid} on {escape_unprintable(run.host)} since {since}: "
    if run.state != "running":
        return line + f"{run.state} {format_duration(ago)} ago"
    if run.is_suspended():
        return line + f"stopped, not heard of for {format_duration(ago)}; kill -CONT {run.pid}"
    if not run.is_gone(now):
        shards = pluralize(len(run.running), "shard")
        return line + f"{shards} in the making, {format_duration(ago)} ago"
    line += f"not heard of for {format_duration(ago)}"
    # Whether it was stopped or ended shows on its own machine alone.
    here = run.host == socket.gethostname()
    return (
        line
        if here
        else line + f"; `texgen status` on {escape_unprintable(run.host)} may know more"
    )


def _late(shard: RunningShard, usual_s: float) -> str:
    name = shard_name(shard.split, shard.index)
    line = (
        f"  late: {name}, {format_duration(shard.seconds)} instead of {format_duration(usual_s)}, "
        f"{pluralize(shard.done, 'texture')} done, the last {format_duration(shard.still_s)} ago"
    )
    return line + (
        f", at {', '.join(map(escape_unprintable, shard.busy[:3]))}" if shard.busy else ""
    )
