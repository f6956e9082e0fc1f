"""Gives shards to an executor, a bounded number at once, until each is made or given up."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from texgen.build.executors import (
    Event,
    Executor,
    Failed,
    Logged,
    Progressed,
    ShardAttempt,
    ShardFinished,
)
from texgen.build.heartbeat import RunningShard
from texgen.build.shard import ShardTask
from texgen.core.errors import (
    CodeDiffersError,
    EngineStartError,
    MissingCodecError,
    SourceChangedError,
    StorageError,
    TexgenError,
)
from texgen.core.layout import shard_name
from texgen.core.types import Shard, ShardRecord

_FATAL = (CodeDiffersError, EngineStartError, MissingCodecError, StorageError)
"""Errors that would occur with every other shard too."""

_WAIT_S = 0.5
_LATE = 2.0
"""Multiple of the median duration of a shard after which a shard is late."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When a shard is tried again.

    Attributes:
        attempts: Number of attempts at a shard before it counts as failed.
        stall_s: Time without progress after which a shard is reported, s; after twice this time
            its attempt is cancelled and another one begins.
        duplicate: Whether idle workers try late shards too. The engine must be deterministic,
            since both attempts must give the same bytes.
    """

    attempts: int
    stall_s: float
    duplicate: bool


@dataclass(slots=True)
class _AttemptState:
    """Progress of an attempt.

    Attributes:
        last: Its last report.
        moved: Time of its last progress, or at which it was submitted.
        begun: Time of its first report; None while it is queued.
        reported_stuck: Whether it was reported as stuck.
    """

    last: Progressed
    moved: float
    begun: float | None = None
    reported_stuck: bool = False


class Scheduler:
    """One run over the missing shards.

    Args:
        executor: Runs the attempts.
        task: Makes the task for a shard and the number of an attempt.
        policy: When a shard is tried again.
        on_finished: Called with the record of each shard, once.
        on_log: Called with lines for the log.
        on_warning: Called with lines for the log and the user.
        clock: Monotonic clock, s.
    """

    def __init__(
        self,
        executor: Executor,
        task: Callable[[Shard, int], ShardTask],
        policy: Policy,
        on_finished: Callable[[ShardRecord], None],
        on_log: Callable[[str], None],
        on_warning: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executor = executor
        self._task = task
        self._policy = policy
        self._on_finished = on_finished
        self._log = on_log
        self._warn = on_warning
        self._clock = clock
        self._running: dict[ShardAttempt, _AttemptState] = {}
        self._retries: deque[Shard] = deque()
        self._attempts: dict[Shard, int] = {}
        self._durations: list[float] = []
        self._given_up: dict[Shard, Exception] = {}

    def run(
        self, shards: Iterable[Shard], on_progress: Callable[[list[RunningShard]], bool]
    ) -> dict[Shard, Exception]:
        """Makes all ``shards``; returns those that were given up, with the last error of each.

        Args:
            shards: The shards, in the order in which they are begun; read only as fast as the
                executor takes them.
            on_progress: Called a few times a second with the shards that are being made. Of
                several attempts at one shard it is given the most advanced. The run stops where
                it returns False.

        Raises:
            CodeDiffersError: If a process or node has another texgen than this one.
            EngineStartError: If no engine starts.
            MissingCodecError: If Pillow lacks a format.
            StorageError: If OUT cannot be written.
        """
        waiting = iter(shards)
        while on_progress(self._in_flight()):
            all_submitted = self._submit_waiting(waiting)
            if not self._running:
                for line in self._executor.last_lines():
                    self._handle(line)
                break
            if all_submitted:
                self._duplicate_late_shards()
            for event in self._executor.wait(_WAIT_S):
                self._handle(event)
            self._handle_stuck_shards()
        return self._given_up

    def _submit_waiting(self, waiting: Iterator[Shard]) -> bool:
        """Submits shards while the executor takes them; True once none is left to submit."""
        while self._executor.queue_capacity() > 0:
            shard = self._retries.popleft() if self._retries else next(waiting, None)
            if shard is None:
                return True
            self._submit(shard)
        return False

    def _in_flight(self) -> list[RunningShard]:
        now = self._clock()
        best: dict[Shard, RunningShard] = {}
        for attempt, state in self._running.items():
            shard = attempt.shard
            last = state.last
            if shard not in best or best[shard].done < last.done:
                seconds = 0.0 if state.begun is None else now - state.begun
                still_s = now - state.moved
                best[shard] = RunningShard(
                    *shard, attempt.number, seconds, still_s, last.done, last.failed, last.busy
                )
        return list(best.values())

    def _submit(self, shard: Shard) -> None:
        number = self._attempts[shard] = self._attempts.get(shard, 0) + 1
        attempt = ShardAttempt(*shard, number)
        self._running[attempt] = _AttemptState(Progressed(attempt), self._clock())
        self._executor.submit(self._task(shard, number))

    def _handle(self, event: Event) -> None:
        if isinstance(event, Logged):
            (self._warn if event.warning else self._log)(event.line)
        elif event.attempt in self._running:
            if isinstance(event, Progressed):
                self._progressed(event, self._running[event.attempt])
            elif isinstance(event, ShardFinished):
                self._finish(event)
            else:
                self._failed(event)

    def _progressed(self, event: Progressed, state: _AttemptState) -> None:
        if state.begun is None or event.done > state.last.done:
            state.moved = self._clock()
        if state.begun is None:
            state.begun = self._clock()
        state.last = event

    def _finish(self, event: ShardFinished) -> None:
        shard = event.attempt.shard
        self._durations.append(event.record.timings.total_s)
        for attempt in [attempt for attempt in self._running if attempt.shard == shard]:
            del self._running[attempt]
            self._executor.cancel(attempt)
        self._attempts.pop(shard, None)
        self._executor.record_metrics(event.record)
        self._on_finished(event.record)

    def _failed(self, event: Failed) -> None:
        shard, name = event.attempt.shard, shard_name(*event.attempt.shard)
        del self._running[event.attempt]
        self._log(f"ERROR {name}, attempt {event.attempt.number}: {event.error}")
        for line in getattr(event.error, "trace", "").splitlines():
            self._log(line)
        if isinstance(event.error, _FATAL):
            raise event.error
        if any(attempt.shard == shard for attempt in self._running):
            return
        permanent = isinstance(event.error, SourceChangedError)
        if permanent or self._attempts[shard] >= self._policy.attempts:
            self._given_up[shard] = event.error
            self._warn(f"{name} is given up: {event.error}")
        else:
            self._retries.append(shard)

    def _duplicate_late_shards(self) -> None:
        if not (self._policy.duplicate and self._durations):
            return
        late_s = late_after_s(self._durations)
        attempts = Counter(attempt.shard for attempt in self._running)
        for attempt, state in sorted(self._running.items()):
            if self._executor.free_slots() < 1:
                return
            begun = state.begun
            if begun is None or attempts[attempt.shard] > 1 or self._clock() - begun < late_s:
                continue
            if self._attempts[attempt.shard] < self._policy.attempts:
                self._log(f"INFO {shard_name(*attempt.shard)} is late: an idle worker tries it too")
                self._submit(attempt.shard)

    def _handle_stuck_shards(self) -> None:
        for attempt, state in list(self._running.items()):
            still = self._clock() - state.moved
            name = shard_name(*attempt.shard)
            if still < self._policy.stall_s:
                state.reported_stuck = False
                continue
            if not state.reported_stuck:
                state.reported_stuck = True
                self._warn(f"{name} {_stuck(state)} for {still:.0f} s")
            if still >= 2 * self._policy.stall_s and state.begun is not None:
                self._executor.cancel(attempt)
                error = TexgenError(f"no progress for {still:.0f} s")
                self._failed(Failed(attempt, error))


def late_after_s(durations: Sequence[float]) -> float:
    """Time after which a shard is late, s, from the durations of others; infinite without any."""
    return _LATE * statistics.median(durations) if durations else math.inf


def _stuck(state: _AttemptState) -> str:
    if state.begun is None:
        return "waits for a free worker"
    busy = state.last.busy[:3]
    at_work = f"; its engines work on {', '.join(busy)}" if busy else ""
    return f"has made no progress ({state.last.done} textures done{at_work})"
