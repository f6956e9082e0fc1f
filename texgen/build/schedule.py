"""Gives shards out, a bounded number at once, until each is made or given up."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

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
"""What would meet every further shard too."""

_WAIT_S = 0.5
_LATE = 2.0
"""Times the median duration of a shard after which it is late."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When to try again.

    Attributes:
        attempts: Times that a shard is given out before it counts as failed.
        stall_s: A shard without progress for this long is named, and for twice as long
            given out again.
        duplicate: Whether idle workers try late shards too; only where an engine is
            deterministic, since the attempts must give the same bytes.
    """

    attempts: int
    stall_s: float
    duplicate: bool


@dataclass(slots=True)
class _AttemptState:
    """A shard on its way.

    Attributes:
        begun: When it reported for the first time; None while it is queued.
        moved: When it last came further, or was given out.
        done: Textures done.
        failed: Textures failed.
        busy: Keys that its engines were last at work on.
        named: Whether it was named as stuck.
    """

    moved: float
    begun: float | None = None
    done: int = 0
    failed: int = 0
    busy: tuple[str, ...] = ()
    named: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of the shards.

    Attributes:
        given_up: Shard to the last error of those that were not made.
        source_changed: Whether one of these errors is a change of SRC.
    """

    given_up: dict[Shard, Exception] = field(default_factory=dict)

    @property
    def source_changed(self) -> bool:
        """Whether SRC changed under the build."""
        return any(isinstance(error, SourceChangedError) for error in self.given_up.values())


class Scheduler:
    """One run over the shards that are not made yet.

    Args:
        executor: Runs the attempts.
        task: Makes the task of a shard's attempt.
        policy: When to try again.
        finished: Called with the record of each shard, once.
        say: Called with lines for the log.
        warn: Called with lines for the person who watches, too.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        executor: Executor,
        task: Callable[[Shard, int], ShardTask],
        policy: Policy,
        finished: Callable[[ShardRecord], None],
        say: Callable[[str], None],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executor = executor
        self._task = task
        self._policy = policy
        self._finished = finished
        self._say = say
        self._warn = warn
        self._clock = clock
        self._running: dict[ShardAttempt, _AttemptState] = {}
        self._again: deque[Shard] = deque()
        self._attempts: dict[Shard, int] = {}
        self._durations: list[float] = []
        self._outcome = Outcome()

    def run(self, shards: Iterable[Shard], pulse: Callable[[list[RunningShard]], bool]) -> Outcome:
        """Has all ``shards`` made.

        Args:
            shards: In the order in which they are begun; taken as there is room.
            pulse: Called a few times a second with the shards in the making, of several
                attempts at one that which is furthest; False stops the run.

        Raises:
            EngineStartError: If no engine starts.
            StorageError: If OUT cannot be written.
        """
        waiting = iter(shards)
        while pulse(self._in_flight()):
            all_given_out = self._fill(waiting)
            if not self._running:
                break
            if all_given_out:
                self._duplicate_stragglers()
            for event in self._executor.wait(_WAIT_S):
                self._take(event)
            self._watch()
        return self._outcome

    def _fill(self, waiting: Iterator[Shard]) -> bool:
        """Gives shards out while there is room; True once none is left to give out."""
        while self._executor.queue_capacity() > 0:
            shard = self._again.popleft() if self._again else next(waiting, None)
            if shard is None:
                return True
            self._submit(shard)
        return False

    def _in_flight(self) -> list[RunningShard]:
        now = self._clock()
        best: dict[Shard, RunningShard] = {}
        for attempt, state in self._running.items():
            shard = attempt.shard
            if shard not in best or best[shard].done < state.done:
                seconds = 0.0 if state.begun is None else now - state.begun
                best[shard] = RunningShard(
                    *shard,
                    attempt.number,
                    seconds,
                    now - state.moved,
                    state.done,
                    state.failed,
                    state.busy,
                )
        return list(best.values())

    def _submit(self, shard: Shard) -> None:
        number = self._attempts[shard] = self._attempts.get(shard, 0) + 1
        self._running[ShardAttempt(*shard, number)] = _AttemptState(self._clock())
        self._executor.submit(self._task(shard, number))

    def _take(self, event: Event) -> None:
        if isinstance(event, Logged):
            (self._warn if event.warning else self._say)(event.line)
        elif event.attempt in self._running:
            if isinstance(event, Progressed):
                self._progressed(event, self._running[event.attempt])
            elif isinstance(event, ShardFinished):
                self._done(event)
            else:
                self._failed(event)

    def _progressed(self, event: Progressed, state: _AttemptState) -> None:
        if state.begun is None or event.done > state.done:
            state.moved = self._clock()
        if state.begun is None:
            state.begun = self._clock()
        state.done, state.failed, state.busy = event.done, event.failed, event.busy

    def _done(self, event: ShardFinished) -> None:
        shard = event.attempt.shard
        self._durations.append(event.record.timings.total_s)
        self._drop(shard)
        self._attempts.pop(shard, None)
        self._executor.record_metrics(event.record)
        self._finished(event.record)

    def _failed(self, event: Failed) -> None:
        shard, name = event.attempt.shard, shard_name(*event.attempt.shard)
        del self._running[event.attempt]
        self._say(f"ERROR {name}, attempt {event.attempt.number}: {event.error}")
        for line in getattr(event.error, "trace", "").splitlines():
            self._say(line)
        if isinstance(event.error, _FATAL):
            raise event.error
        if any(attempt.shard == shard for attempt in self._running):
            return
        hopeless = isinstance(event.error, SourceChangedError)
        if hopeless or self._attempts[shard] >= self._policy.attempts:
            self._outcome.given_up[shard] = event.error
            self._warn(f"{name} is given up: {event.error}")
        else:
            self._again.append(shard)

    def _drop(self, shard: Shard) -> None:
        """Forgets all attempts at a shard and ends those that still run."""
        for attempt in [attempt for attempt in self._running if attempt.shard == shard]:
            del self._running[attempt]
            self._executor.cancel(attempt)

    def _duplicate_stragglers(self) -> None:
        if not (self._policy.duplicate and self._durations):
            return
        late_s = late_after_s(self._durations)
        doubled = {a.shard for a in self._running if self._attempts_at(a.shard) > 1}
        for attempt, state in sorted(self._running.items()):
            if self._executor.free_slots() < 1:
                return
            began = state.begun
            if began is None or attempt.shard in doubled or self._clock() - began < late_s:
                continue
            if self._attempts[attempt.shard] < self._policy.attempts:
                self._say(f"INFO {shard_name(*attempt.shard)} is late: an idle worker tries it too")
                self._submit(attempt.shard)

    def _attempts_at(self, shard: Shard) -> int:
        return sum(attempt.shard == shard for attempt in self._running)

    def _watch(self) -> None:
        for attempt, state in list(self._running.items()):
            still = self._clock() - state.moved
            name = shard_name(*attempt.shard)
            if still < self._policy.stall_s:
                state.named = False
                continue
            if not state.named:
                state.named = True
                self._warn(f"{name} {_stuck(state)} for {still:.0f} s")
            if still >= 2 * self._policy.stall_s and state.begun is not None:
                self._executor.cancel(attempt)
                error = TexgenError(f"no progress for {still:.0f} s")
                self._failed(Failed(attempt, error, lost=True))


def late_after_s(durations: Sequence[float]) -> float:
    """Seconds after which a shard is late, from those that others took; infinity without any."""
    return _LATE * statistics.median(durations) if durations else math.inf


def _stuck(state: _AttemptState) -> str:
    if state.begun is None:
        return "waits for a free worker"
    at_work = f"; its engines are at {', '.join(state.busy[:3])}" if state.busy else ""
    return f"has made no progress ({state.done} textures done{at_work})"
