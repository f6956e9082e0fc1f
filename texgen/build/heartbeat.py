"""``_build/status``: what a build says of itself while it runs, for `texgen status`.

Nothing depends on it: records say what is done, and a build does not read it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from texgen.core.config import Part
from texgen.core.errors import StorageError
from texgen.core.layout import STATUS, status_path
from texgen.core.system import current_process, is_dead_on_this_host, is_suspended_on_this_host
from texgen.storage import Sink

_BEATS = 6
"""Those that are missing when a run is taken for gone; busy storage may hold one up."""


@dataclass(frozen=True, slots=True)
class RunningShard:
    """A shard in the making.

    Attributes:
        split: Name of the split.
        index: Number of the shard in its split.
        attempt: 1 for the first.
        seconds: Since it was begun; 0 where it waits for a free worker.
        still_s: Since it last came further.
        done: Textures done or failed.
        failed: Textures that failed.
        busy: Keys that its engines were last at work on.
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
    """A run of a build.

    Attributes:
        state: ``running``, ``finished``, ``stopped`` or ``failed``.
        host: Where its driver runs.
        pid: Of its driver.
        started: When it began, seconds since 1970.
        beat: When this was said.
        part: ``2-of-8``, or None for the whole.
        running: Shards in the making.
        every_s: Until the next one at the latest, s.
        machine: Tells the host's boot and process numbers from others; None if unknown.
        born: Tells the process from others of the same number; None likewise.
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
        """Whether a run that has not said how it ended is known to be dead, or silent too long.

        One that was stopped on this machine is silent, and is not gone.
        """
        about = asdict(self)
        silent = now - self.beat >= _BEATS * self.every_s
        return (silent and not is_suspended_on_this_host(about)) or is_dead_on_this_host(about)

    def is_suspended(self) -> bool:
        """Whether the run was stopped by Ctrl-Z or SIGSTOP; known on its own machine alone."""
        return self.state == "running" and is_suspended_on_this_host(asdict(self))


def heartbeat_path(part: Part | None) -> str:
    """Path of a run's heartbeat, relative to OUT."""
    return status_path(part.name if part else None)


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """The bytes of a heartbeat."""
    return json.dumps(asdict(heartbeat), indent=1).encode()


def read_heartbeats(sink: Sink) -> Iterator[Heartbeat]:
    """What the runs that write to OUT, or wrote to it, said last; the damaged are left out."""
    for path in sorted(sink.list(STATUS)):
        if heartbeat := _decoded(sink.open(path).read()):
            yield heartbeat


def _decoded(data: bytes) -> Heartbeat | None:
    try:
        about = json.loads(data)
        running = [RunningShard(**{**s, "busy": tuple(s["busy"])}) for s in about["running"]]
        return Heartbeat(**{**about, "running": tuple(running)})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


class HeartbeatWriter:
    """Says in OUT, every few seconds, that the build is alive and what it is at.

    Args:
        sink: OUT.
        part: The part of the build, None for the whole.
    """

    def __init__(self, sink: Sink, part: Part | None) -> None:
        self._sink = sink
        self._part = part
        self._started = time.time()
        self._process = current_process()
        self._next = 0.0

    def beat(self, running: Sequence[RunningShard]) -> None:
        """Writes one if it is time for it."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._sink.beat_s
            self._write("running", tuple(running))

    def end(self, state: str) -> None:
        """Writes the last one."""
        self._write(state, ())

    def _write(self, state: str, running: tuple[RunningShard, ...]) -> None:
        heartbeat = Heartbeat(
            state=state,
            started=self._started,
            beat=time.time(),
            part=self._part.name if self._part else None,
            running=running,
            every_s=self._sink.beat_s,
            **self._process,
        )
        try:
            self._sink.write(heartbeat_path(self._part), encode_heartbeat(heartbeat))
        except StorageError:
            # What the build itself writes meets the same soon, and says so.
            return
