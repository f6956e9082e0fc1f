"""Where shards are made: plain processes, or Ray. Both run `texgen.executors.task`."""

from texgen.executors.base import Event, Executor, Failed, Finished, Logged, Progressed, Ticket
from texgen.executors.processes import ProcessExecutor

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
