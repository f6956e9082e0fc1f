"""An executor with scripted attempts and a clock of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from texgen.build.executors import Event, Failed, Logged, ShardAttempt, ShardFinished
from texgen.core.types import ShardRecord

Plan = list[tuple[float, Event | None]]
"""Events of an attempt, each with its time in seconds after the attempt began."""


class FakeExecutor:
    """Plays the script of each attempt on a clock of its own."""

    def __init__(self, slots: int, play: Callable[[ShardAttempt], Plan], queue: int = 0) -> None:
        self.now = 1000.0
        self.submitted: list[ShardAttempt] = []
        self.cancelled: list[ShardAttempt] = []
        self.counted: list[ShardRecord] = []
        self.most = 0
        self._slots, self._queue, self._play = slots, queue, play
        self._waiting: deque[ShardAttempt] = deque()
        self._running: dict[ShardAttempt, deque[tuple[float, Event | None]]] = {}

    def clock(self) -> float:
        return self.now

    def queue_capacity(self) -> int:
        return self._slots + self._queue - len(self._running) - len(self._waiting)

    def free_slots(self) -> int:
        return max(0, self._slots - len(self._running) - len(self._waiting))

    def submit(self, task: ShardAttempt) -> None:
        assert self.queue_capacity() > 0
        self.submitted.append(task)
        self._waiting.append(task)
        self._begin()

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._slots:
            attempt = self._waiting.popleft()
            self._running[attempt] = deque((self.now + s, e) for s, e in self._play(attempt))
        self.most = max(self.most, len(self._running))

    def wait(self, timeout_s: float) -> list[Event]:
        self.now += timeout_s
        events: list[Event] = []
        for attempt, plan in list(self._running.items()):
            while plan and plan[0][0] <= self.now:
                event = plan.popleft()[1]
                if event is not None:
                    events.append(event)
                if isinstance(event, ShardFinished | Failed):
                    del self._running[attempt]
        self._begin()
        return events

    def last_lines(self) -> list[Logged]:
        return [Logged("the last line")] if not self._running else []

    def cancel(self, attempt: ShardAttempt) -> None:
        self.cancelled.append(attempt)
        self._running.pop(attempt, None)
        if attempt in self._waiting:
            self._waiting.remove(attempt)
        self._begin()

    def record_metrics(self, record: ShardRecord) -> None:
        self.counted.append(record)

    def close(self) -> None:
        raise AssertionError
