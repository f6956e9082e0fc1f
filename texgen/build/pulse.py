"""Writes the heartbeat of a build."""

from __future__ import annotations

import time
from collections.abc import Sequence

from texgen.build.heartbeat import Heartbeat, RunningShard, encode_heartbeat, heartbeat_path
from texgen.core.config import Part
from texgen.core.errors import StorageError
from texgen.core.system import current_process
from texgen.storage import Sink


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
