"""Executors of shards: plain processes or Ray. Both run `texgen.build.executors.task`."""

from texgen.build.executors.base import (
    Event,
    Executor,
    Failed,
    Logged,
    Progressed,
    ShardAttempt,
    ShardFinished,
)
from texgen.build.executors.processes import ProcessExecutor

__all__ = [
    "Event",
    "Executor",
    "Failed",
    "Logged",
    "ProcessExecutor",
    "Progressed",
    "ShardAttempt",
    "ShardFinished",
]
