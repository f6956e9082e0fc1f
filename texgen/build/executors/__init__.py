"""Executors of shards: plain processes or Ray. Both run `texgen.build.executors.task`.

This module is the interface between them and the scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from texgen.build.shard import ShardTask
from texgen.core.types import Shard, ShardRecord


@dataclass(frozen=True, slots=True, order=True)
class ShardAttempt:
    """One attempt at one shard; the first has the number 1."""

    split: str
    index: int
    number: int

    @property
    def shard(self) -> Shard:
        """The shard that is attempted."""
        return self.split, self.index


def attempt_of(task: ShardTask) -> ShardAttempt:
    """The attempt that a task stands for."""
    return ShardAttempt(task.shard.split, task.shard.index, task.attempt)


@dataclass(frozen=True, slots=True)
class Progressed:
    """An attempt has begun or made progress.

    Attributes:
        attempt: The attempt.
        done: Number of textures that are done or failed.
        failed: Number of textures that failed.
        busy: Keys that engines work on now.
    """

    attempt: ShardAttempt
    done: int = 0
    failed: int = 0
    busy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the log of the build; a warning is shown on standard error too."""

    line: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class ShardFinished:
    """An attempt has finished its shard."""

    attempt: ShardAttempt
    record: ShardRecord


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt has ended with an error, its own or that its process or node was lost."""

    attempt: ShardAttempt
    error: Exception


Event = Progressed | Logged | ShardFinished | Failed


class Executor(Protocol):
    """Runs a bounded number of attempts at once."""

    def queue_capacity(self) -> int:
        """Number of further attempts that it accepts now."""
        ...

    def free_slots(self) -> int:
        """Number of attempts that would begin at once, without a queue."""
        return self.queue_capacity()

    def submit(self, task: ShardTask) -> None:
        """Accepts an attempt; the caller checks `queue_capacity` first."""
        ...

    def wait(self, timeout_s: float) -> list[Event]:
        """Returns the events since the last call; waits at most ``timeout_s`` seconds for one."""
        ...

    def last_lines(self) -> list[Logged]:
        """Lines for the log that `wait` has not returned when the last attempt has ended."""
        return []

    def cancel(self, attempt: ShardAttempt) -> None:
        """Ends an attempt at once; no event of it follows."""
        ...

    def record_metrics(self, record: ShardRecord) -> None:
        """Adds a finished shard to the metrics, if there are any; called once for each shard."""
        return

    def close(self) -> None:
        """Ends all attempts at once and leaves no process behind."""
        ...
