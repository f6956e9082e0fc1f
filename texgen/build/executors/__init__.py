"""Where shards are made: plain processes, or Ray. Both run `texgen.build.executors.task`."""

from texgen.build.executors.base import (
    Event,
    Executor,
    Failed,
    Finished,
    Logged,
    Progressed,
    Ticket,
)
from texgen.build.executors.processes import ProcessExecutor

__all__ = [
    "Event",
    "Executor",
    "Failed",
    "Finished",
    "Logged",
    "ProcessExecutor",
    "Progressed",
    "Ticket",
]
