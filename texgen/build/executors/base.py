"""What the scheduler sees of the processes that make shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from texgen.build.shard import ShardTask
from texgen.core.types import ShardRecord


@dataclass(frozen=True, slots=True, order=True)
class ShardAttempt:
    """One attempt at one shard."""

    split: str
    index: int
    attempt: int


def ticket_of(task: ShardTask) -> ShardAttempt:
    """The ticket of an attempt."""
    return ShardAttempt(task.shard.split, task.shard.index, task.attempt)


@dataclass(frozen=True, slots=True)
class Progressed:
    """An attempt has begun, or come further.

    Attributes:
        ticket: The attempt.
        done: Textures done.
        failed: Those among them that failed.
        busy: Keys that engines are at work on.
    """

    ticket: ShardAttempt
    done: int
    failed: int
    busy: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the build's log.

    Attributes:
        line: As it stands there.
        warning: Whether the person who watches sees it too.
    """

    line: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class ShardFinished:
    """An attempt has finished its shard."""

    ticket: ShardAttempt
    record: ShardRecord


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt has ended without a shard.

    Attributes:
        ticket: The attempt.
        error: What it raised.
        lost: Whether its process or node was lost, so that another attempt may succeed.
    """

    ticket: ShardAttempt
    error: Exception
    lost: bool


Event = Progressed | Logged | ShardFinished | Failed


class Executor(Protocol):
    """Runs attempts at shards, a bounded number at once."""

    def queue_capacity(self) -> int:
        """How many more attempts it takes now."""
        ...

    def free_slots(self) -> int:
        """How many attempts could begin at once, with nothing in front of them."""
        ...

    def submit(self, task: ShardTask) -> None:
        """Takes an attempt; only while there is `queue_capacity`."""
        ...

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened since the last call; waits for something at most ``timeout_s``."""
        ...

    def cancel(self, ticket: ShardAttempt) -> None:
        """Ends an attempt, whatever it is doing; no event of it follows."""
        ...

    def record_metrics(self, record: ShardRecord) -> None:
        """Tells whoever watches it of a shard that is made; once, whatever its attempts."""
        ...

    def close(self) -> None:
        """Ends everything at once and leaves no process behind."""
        ...
