"""Shards as Ray tasks, one a shard. With `session` and `metrics` all that imports Ray."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import pickle
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from texgen.build.executors import ray_entry
from texgen.build.executors.base import (
    Event,
    Failed,
    Logged,
    Progressed,
    ShardAttempt,
    ShardFinished,
    ticket_of,
)
from texgen.build.executors.metrics import BuildMetrics
from texgen.build.executors.ray_worker import NodeError, home
from texgen.build.executors.session import RaySession
from texgen.build.shard import ShardTask
from texgen.core.errors import CodeDiffersError, TexgenError
from texgen.core.identity import code_differs, code_identity
from texgen.core.types import ShardRecord

_log = logging.getLogger(__name__)

_BOARD_EVERY_S = 1.0
_COUNT_EVERY_S = 1.0
"""Between two looks at the nodes of a cluster, each of which asks its head for all of them."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a cluster offers.

    Attributes:
        nodes: Nodes with processors.
        cpus: Processors that Ray gives out, over all nodes.
        smallest: Processors of the smallest node that has any.
    """

    nodes: int
    cpus: float
    smallest: float


_SOMETHING = Capacity(1, 1.0, 1.0)
"""Of a cluster that has no worker yet: what waits shows its autoscaler the need."""


class RayExecutor:
    """Runs shards on a Ray cluster, or on a local Ray that it starts and ends.

    Args:
        address: Of a running cluster, ``auto`` or ``ray://…``; None starts a local Ray.
        workers: Engine processes on each node; None uses every processor that Ray has.

    Attributes:
        capacity: What the cluster offers.
        workers: Engine processes on its smallest node.

    Raises:
        ConfigError: If the cluster cannot be reached.
    """

    def __init__(self, address: str | None, workers: int | None) -> None:
        self._local = address is None
        # Ray prints what happens to nodes on standard output, which is for results.
        self._stdout = contextlib.redirect_stdout(_ToLog())
        self._stdout.__enter__()
        try:
            self._session = RaySession(address, workers)
        except BaseException:
            self._stdout.__exit__(None, None, None)
            raise
        self.capacity = _capacity() or _SOMETHING
        self._counted = time.monotonic()
        self.workers = max(1, int(min(workers or math.inf, self.capacity.smallest)))
        self._engines = 1
        self._cpus_per_task = 1.0
        self._running: dict[Any, ShardAttempt] = {}
        self._tasks: dict[ShardAttempt, ShardTask] = {}
        self._begun: list[Event] = []
        self._avoided: set[str] = set()
        self._told_of_memory = False
        ray.cloudpickle.register_pickle_by_value(ray_entry)  # type: ignore[no-untyped-call]
        self._function: Any = ray.remote(ray_entry.texgen_shard)
        self._home = home(local=self._local)
        # Now: this texgen may be installed anew while the build runs.
        self._code = str(code_identity())
        self._board = _open_board()
        self._board_answer: Any = None
        self._board_asked = 0.0
        # Nobody looks at those of a Ray that lives as long as the build.
        self._metrics = None if self._local else BuildMetrics()

    def use_engines(self, engines: int) -> None:
        """Sets the engine processes of each task, and so what it asks of Ray."""
        self._engines = engines
        # Where fewer workers than processors are wanted, each engine claims more than one.
        self._cpus_per_task = engines * self.capacity.smallest / self.workers

    def queue_capacity(self) -> int:
        """See `Executor.queue_capacity`; on a cluster tasks queue, so that its autoscaler acts."""
        slots = self._slots()
        return (slots if self._local else 2 * slots + 4) - len(self._running)

    def free_slots(self) -> int:
        """See `Executor.free_slots`."""
        return max(0, self._slots() - len(self._running))

    def _slots(self) -> int:
        if not self._local and time.monotonic() - self._counted > _COUNT_EVERY_S:
            self._counted = time.monotonic()
            self.capacity = _capacity(self._avoided) or _SOMETHING
        return max(1, int(self.capacity.cpus // self._cpus_per_task))

    def submit(self, task: ShardTask) -> None:
        """See `Executor.submit`."""
        function = self._function.options(
            num_cpus=self._cpus_per_task,
            max_retries=0,
            # One for all: Ray counts by name, and the counters of a shard's own would never go.
            name="texgen shard",
            label_selector=_all_but(self._avoided),
        )
        reference = function.remote(self._home, self._code, pickle.dumps(task), self._board)
        self._running[reference] = ticket_of(task)
        self._tasks[ticket_of(task)] = task
        if self._local:
            # Nothing queues there, so one that never reports is stuck, and is not waiting.
            self._begun.append(Progressed(ticket_of(task), 0, 0, ()))

    def wait(self, timeout_s: float) -> list[Event]:
        """See `Executor.wait`."""
        events = self._begun + self._read_board()
        self._begun = []
        if self._running:
            ready, _ = ray.wait(list(self._running), timeout=timeout_s)
            for reference in ready:
                events += self._outcome(reference)
        else:
            time.sleep(timeout_s)
        return events

    def _outcome(self, reference: Any) -> list[Event]:  # noqa: ANN401 - Ray's references have no type
        ticket = self._running.pop(reference)
        task = self._tasks.pop(ticket)
        try:
            answer = ray.get(reference)
            if isinstance(answer, dict):
                return self._refused(task, answer)
            return [ShardFinished(ticket, answer)]
        except RayTaskError as error:
            if isinstance(error.cause, NodeError):
                return self._without_node(ticket, error.cause)
            return [Failed(ticket, error.cause, lost=False)]
        except RayError as error:
            reason = str(error).strip().splitlines()[0]
            failed = Failed(ticket, TexgenError(f"{type(error).__name__}: {reason}"), lost=True)
            return [*self._short_of_memory(error), failed]

    def _short_of_memory(self, error: RayError) -> list[Event]:
        """Says once that Ray ends tasks for want of memory: a build that makes none looks stuck."""
        if self._told_of_memory or not isinstance(error, OutOfMemoryError):
            return []
        self._told_of_memory = True
        used = re.search(r"was (\S+ used / \S+ limit)", str(error))
        line = (
            f"Ray ends tasks because a node's memory is used up{f' ({used[1]})' if used else ''}: "
            "give the node more (a container's --memory), or the build fewer --workers"
        )
        return [Logged(line, warning=True)]

    def _without_node(self, ticket: ShardAttempt, failed: NodeError) -> list[Event]:
        """Gives nothing more to a node that cannot make any shard, while there is another.

        It would fail shards faster than others make them, and so be given most of them.
        """
        warning = self._avoid(failed)
        if warning is None:
            return [Failed(ticket, failed.error, lost=False)]
        error = TexgenError(f"node {failed.host}: {failed.error}")
        return [*warning, Failed(ticket, error, lost=True)]

    def _refused(self, task: ShardTask, answer: dict[str, str]) -> list[Event]:
        """Gives a shard that a node with another texgen was given to another node."""
        error = code_differs(answer["other"], self._code)
        warning = self._avoid(NodeError(error, answer["node"], answer["host"]))
        if warning is None:
            named = CodeDiffersError(f"node {answer['host']}: {error}")
            return [Failed(ticket_of(task), named, lost=False)]
        # It was not begun, so this is no further attempt.
        self.submit(task)
        return warning

    def _avoid(self, failed: NodeError) -> list[Event] | None:
        """Gives a node nothing more, and says so once; None where no other node is there."""
        first = failed.node not in self._avoided
        self._avoided.add(failed.node)
        others = None if self._local else _capacity(self._avoided)
        if not others:
            return None
        self.capacity = others
        line = f"node {failed.host}: {failed.error}; it gets no more shards"
        return [Logged(line, warning=True)] if first else []

    def _read_board(self) -> list[Event]:
        """What tasks have reported; a lost board costs the display, never the build."""
        try:
            if self._board_answer is None:
                if time.monotonic() - self._board_asked < _BOARD_EVERY_S:
                    return []
                self._board_asked = time.monotonic()
                self._board_answer = self._board.drain.remote()
            ready, _ = ray.wait([self._board_answer], timeout=0)
            if not ready:
                return []
            answer, self._board_answer = self._board_answer, None
            events: list[Event] = [pickle.loads(event) for event in ray.get(answer)]  # noqa: S301 - tasks' own bytes
        except RayError:
            self._board = _open_board()
            self._board_answer = None
            return []
        known = set(self._running.values())
        return [e for e in events if getattr(e, "ticket", None) in known | {None}]

    def record_metrics(self, record: ShardRecord) -> None:
        """See `Executor.count`; among the metrics of a cluster."""
        if self._metrics:
            self._metrics.record_metrics(record)

    def cancel(self, ticket: ShardAttempt) -> None:
        """See `Executor.cancel`."""
        for reference, running in list(self._running.items()):
            if running == ticket:
                del self._running[reference], self._tasks[ticket]
                with contextlib.suppress(RayError):
                    ray.cancel(reference, force=True)

    def close(self) -> None:
        """See `Executor.close`."""
        for ticket in list(self._running.values()):
            self.cancel(ticket)
        self._session.close()
        self._stdout.__exit__(None, None, None)


class _ToLog(io.TextIOBase):
    """A text stream whose lines go to the log."""

    def __init__(self) -> None:
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.strip():
                _log.warning("Ray says: %s", line)
        return len(text)


def _open_board() -> Any:  # noqa: ANN401 - an actor handle
    actor: Any = ray.remote(ray_entry.Board)
    # Beside the driver: nodes come and go, and a board that is lost shows no progress.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote()


def _all_but(nodes: Collection[str]) -> dict[str, str] | None:
    return {"ray.io/node-id": f"!in({','.join(sorted(nodes))})"} if nodes else None


def _capacity(without: Collection[str] = ()) -> Capacity | None:
    """What the cluster offers now, some nodes aside; None if that is nothing."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    cpus = [
        node["Resources"].get("CPU", 0.0)
        for node in nodes
        if node["Alive"] and node["NodeID"] not in without and node["Resources"].get("CPU", 0.0) > 0
    ]
    return Capacity(len(cpus), sum(cpus), min(cpus)) if cpus else None
