"""Heartbeats under ``_build/status``: what a running build reports for `texgen status`.

Nothing else depends on them: records decide what is finished, and no build reads a heartbeat.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from texgen.core.config import Part
from texgen.core.errors import InterruptedBuildError, StorageError
from texgen.core.layout import STATUS, status_path
from texgen.core.system import current_process, is_dead_on_this_host, is_suspended_on_this_host
from texgen.storage import Sink

_MISSED_BEATS = 6
"""Heartbeats that must be missing before a run counts as gone; busy storage may delay one."""


@dataclass(frozen=True, slots=True)
class RunningShard:
    """A shard that is being made.

    Attributes:
        split: Name of the split.
        index: Number of the shard in its split.
        attempt: Number of the attempt, from 1.
        seconds: Time since the attempt began, s; 0 where it waits for a free worker.
        still_s: Time since the last progress, s.
        done: Textures done or failed.
        failed: Textures that failed.
        busy: Keys that the engines worked on when they last reported.
    """

    split: str
    index: int
    attempt: int
    seconds: float
    still_s: float
    done: int
    failed: int
    busy: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Last report of a run of a build.

    Attributes:
        state: ``running``, ``finished``, ``stopped`` or ``failed``.
        host: Host name of the machine on which the driver runs.
        pid: Process id of the driver.
        started: Time at which the run began, seconds since 1970.
        beat: Time of this report, seconds since 1970.
        part: Name of the part, such as ``2-of-8``; None for the whole build.
        running: Shards that are being made.
        every_s: Longest time until the next report, s.
        machine: Identity of the boot and process namespace of the host; None if unknown.
        born: Start time of the process, which tells it from others with its id; None if unknown.
    """

    state: str
    host: str
    pid: int
    started: float
    beat: float
    part: str | None
    running: tuple[RunningShard, ...] = ()
    every_s: float = 5.0
    machine: str | None = None
    born: str | None = None

    def is_gone(self, now: float) -> bool:
        """Whether a run that did not report its end is known to be dead, or silent for too long.

        A run that is suspended on this machine is silent, but not gone.
        """
        process = asdict(self)
        silent = now - self.beat >= _MISSED_BEATS * self.every_s
        return (silent and not is_suspended_on_this_host(process)) or is_dead_on_this_host(process)

    def is_suspended(self) -> bool:
        """Whether Ctrl-Z or SIGSTOP suspended the run; known on its own machine only."""
        return self.state == "running" and is_suspended_on_this_host(asdict(self))


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """A heartbeat as JSON."""
    return json.dumps(asdict(heartbeat), indent=1).encode()


def read_heartbeats(sink: Sink) -> Iterator[Heartbeat]:
    """Last heartbeats of all runs that write to OUT, or wrote to it; damaged ones are left out."""
    for path in sorted(sink.list(STATUS)):
        data = sink.open(path).read()
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            fields = json.loads(data)
            running = [RunningShard(**{**s, "busy": tuple(s["busy"])}) for s in fields["running"]]
            yield Heartbeat(**{**fields, "running": tuple(running)})


class HeartbeatWriter:
    """Reports in OUT, every few seconds, that the build is alive and which shards it makes.

    A context manager: when it is left, it reports how the run ended.
    """

    def __init__(self, sink: Sink, part: Part | None) -> None:
        self._sink = sink
        self._part = part.name if part else None
        self._started = time.time()
        self._process = current_process()
        self._next = 0.0

    def beat(self, running: Sequence[RunningShard]) -> None:
        """Writes a heartbeat if one is due."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._sink.beat_s
            self._write("running", tuple(running))

    def __enter__(self) -> HeartbeatWriter:
        return self

    def __exit__(self, exception_type: object, exception: BaseException | None, _: object) -> None:
        if exception is None:
            self._write("finished")
        else:
            self._write("stopped" if isinstance(exception, InterruptedBuildError) else "failed")

    def _write(self, state: str, running: tuple[RunningShard, ...] = ()) -> None:
        heartbeat = Heartbeat(
            state=state,
            started=self._started,
            beat=time.time(),
            part=self._part,
            running=running,
            every_s=self._sink.beat_s,
            **self._process,
        )
        # The build's own writes will soon fail for the same reason, and report it.
        with contextlib.suppress(StorageError):
            self._sink.write(status_path(self._part), encode_heartbeat(heartbeat))
