"""Executor that builds each shard as a Ray task.

Only this module, `ray_nodes`, `session`, `metrics` and `ray_worker` import Ray.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import re
import time
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from texgen.build.executors import (
    Event,
    Failed,
    Logged,
    Progressed,
    ShardAttempt,
    ShardFinished,
    attempt_of,
    ray_entry,
)
from texgen.build.executors.metrics import BuildMetrics
from texgen.build.executors.output_capture import LogStream
from texgen.build.executors.ray_nodes import ClusterNodes
from texgen.build.executors.ray_worker import NodeError, home
from texgen.build.executors.session import RaySession
from texgen.build.shard import ShardTask
from texgen.core.config import CPU, GPU
from texgen.core.errors import CodeDiffersError, EngineStartError, TexgenError
from texgen.core.identity import code_differs, code_identity
from texgen.core.types import ShardRecord

_BOARD_EVERY_S = 1.0
_LAST_LINES_S = 5.0
_COUNT_EVERY_S = 1.0
"""Seconds between two counts of a cluster's nodes; each count asks the head node for all."""


class RayExecutor:
    """Runs shards on a Ray cluster, or on a local Ray that it starts and ends.

    Args:
        address: Address of a running cluster, ``auto`` or ``ray://…``; None starts a local Ray.
        workers: Number of engine processes on each node; None uses every processor of Ray.
        device: What makes the textures, one of `texgen.core.config.DEVICES`. On a node with a
            usable GPU it is that GPU alone, unless it is ``cpu``.

    Attributes:
        nodes: The nodes of the cluster.
        workers: Number of engine processes on its smallest node.

    Raises:
        ConfigError: If the cluster cannot be reached.
    """

    def __init__(self, address: str | None, workers: int | None, device: str = CPU) -> None:
        self._local = address is None
        # Ray reports lost nodes on standard output, which is for results only.
        self._stdout = contextlib.redirect_stdout(LogStream())
        self._stdout.__enter__()
        try:
            self._session = RaySession(address, workers)
        except BaseException:
            self._stdout.__exit__(None, None, None)
            raise
        self.nodes = ClusterNodes(device)
        self._counted = time.monotonic()
        self.workers = max(1, int(min(workers or math.inf, self.nodes.capacity.smallest)))
        self._cpus_per_task = 1.0
        self._running: dict[Any, ShardTask] = {}
        self._begun: list[Event] = []
        if device != CPU:
            self._begun.append(Logged(self.nodes.description(), warning=True))
        self._memory_reported = False
        ray.cloudpickle.register_pickle_by_value(ray_entry)  # type: ignore[no-untyped-call]
        self._function: Any = ray.remote(ray_entry.texgen_shard)
        self._home = home(local=self._local)
        # Read now: texgen may be reinstalled while the build runs.
        self._code = str(code_identity())
        self._board = _open_board()
        self._board_answer: Any = None
        self._board_asked = 0.0
        # A local Ray lives as long as the build, so nobody collects its metrics.
        self._metrics = None if self._local else BuildMetrics()

    def use_engines(self, engines: int) -> None:
        """Sets the number of engine processes of each task, which decides its processors."""
        # With fewer workers than processors, each engine claims more than one processor.
        self._cpus_per_task = engines * self.nodes.capacity.smallest / self.workers

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
            self.nodes.count()
        capacity = self.nodes.capacity
        return max(1, int(capacity.cpus // self._cpus_per_task) + capacity.gpus)

    def submit(self, task: ShardTask) -> None:
        """See `Executor.submit`."""
        task = task.on(self._next_device())
        function = self._function.options(
            max_retries=0,
            # One name for all: Ray keeps a counter for each name, and never deletes it.
            name="texgen shard",
            **self.nodes.requirements(task.device, self._cpus_per_task),
        )
        reference = function.remote(self._home, self._code, pickle.dumps(task), self._board)
        self._running[reference] = task
        if self._local:
            # A local Ray queues nothing, so an attempt that never reports is stuck.
            self._begun.append(Progressed(attempt_of(task)))

    def _next_device(self) -> str:
        capacity = self.nodes.capacity
        on_gpus = sum(task.device == GPU for task in self._running.values())
        # A second shard waits for each GPU, which goes on with it at once.
        return GPU if on_gpus < 2 * capacity.gpus or not capacity.cpus else CPU

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
        task = self._running.pop(reference)
        attempt = attempt_of(task)
        try:
            answer = ray.get(reference)
            if isinstance(answer, dict):
                return self._refused(task, answer)
            return [ShardFinished(attempt, answer)]
        except RayTaskError as error:
            if isinstance(error.cause, NodeError):
                return self._without_node(task, error.cause)
            return [Failed(attempt, error.cause)]
        except RayError as error:
            failed = Failed(attempt, TexgenError(_reason(error)))
            return [*self._short_of_memory(error), failed]

    def _short_of_memory(self, error: RayError) -> list[Event]:
        """Reports once that Ray kills tasks for lack of memory; the build would only look stuck."""
        if self._memory_reported or not isinstance(error, OutOfMemoryError):
            return []
        self._memory_reported = True
        found = re.search(r"was (\S+ used / \S+ limit)", str(error))
        used = f" ({found[1]})" if found else ""
        line = (
            f"Ray kills tasks because the memory of a node is used up{used}: "
            "give the node more memory (a container's --memory), or the build fewer --workers"
        )
        return [Logged(line, warning=True)]

    def _without_node(self, task: ShardTask, failed: NodeError) -> list[Event]:
        """Stops using a node that cannot build any shard, if there is another node.

        It would fail shards faster than other nodes build them, and so get most of them. A node
        whose GPU alone is at fault goes on with its processors, if these are allowed.
        """
        no_gpu = task.device == GPU and isinstance(failed.error, EngineStartError)
        if no_gpu and self.nodes.device != GPU:
            return self._without_gpu(task, failed)
        warning = self._avoid(failed)
        if warning is None:
            error: TexgenError = failed.error
            if no_gpu:
                error = EngineStartError(f"--device gpu: {error}; use --device auto or cpu")
            return [Failed(attempt_of(task), error)]
        error = TexgenError(f"node {failed.host}: {failed.error}")
        return [*warning, Failed(attempt_of(task), error)]

    def _without_gpu(self, task: ShardTask, failed: NodeError) -> list[Event]:
        first = self.nodes.leave_gpu(failed.node)
        # The shard was not begun, so this does not count as a further attempt.
        self.submit(task)
        line = f"node {failed.host}: {failed.error}; its processors make textures instead"
        return [Logged(line, warning=True)] if first else []

    def _refused(self, task: ShardTask, answer: dict[str, str]) -> list[Event]:
        """Gives a shard that a node with another texgen refused to another node."""
        error = code_differs(answer["other"], self._code)
        warning = self._avoid(NodeError(error, answer["node"], answer["host"]))
        if warning is None:
            named = CodeDiffersError(f"node {answer['host']}: {error}")
            return [Failed(attempt_of(task), named)]
        # The shard was not begun, so this does not count as a further attempt.
        self.submit(task)
        return warning

    def _avoid(self, failed: NodeError) -> list[Event] | None:
        """Stops using a node and reports that once; None if there is no other node."""
        if self._local:
            return None
        first, others = self.nodes.avoid(failed.node)
        if not others:
            return None
        line = f"node {failed.host}: {failed.error}; it gets no more shards"
        return [Logged(line, warning=True)] if first else []

    def _read_board(self) -> list[Event]:
        """Returns the events that tasks reported; a lost board costs the build nothing else."""
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
            events = _events(ray.get(answer))
        except RayError:
            self._board = _open_board()
            self._board_answer = None
            return []
        known = set(map(attempt_of, self._running.values()))
        return [e for e in events if getattr(e, "attempt", None) in known | {None}]

    def last_lines(self) -> list[Logged]:
        """See `Executor.last_lines`; those on a lost board are lost."""
        answers = [self._board_answer] if self._board_answer is not None else []
        try:
            answers = ray.get([*answers, self._board.drain.remote()], timeout=_LAST_LINES_S)
        except RayError:
            return []
        return [e for answer in answers for e in _events(answer) if isinstance(e, Logged)]

    def record_metrics(self, record: ShardRecord) -> None:
        """See `Executor.record_metrics`; Ray's metrics on a cluster, none on a local Ray."""
        if self._metrics:
            self._metrics.record_metrics(record)

    def cancel(self, attempt: ShardAttempt) -> None:
        """See `Executor.cancel`."""
        for reference, task in list(self._running.items()):
            if attempt_of(task) == attempt:
                del self._running[reference]
                with contextlib.suppress(RayError):
                    ray.cancel(reference, force=True)

    def close(self) -> None:
        """See `Executor.close`."""
        for task in list(self._running.values()):
            self.cancel(attempt_of(task))
        self._session.close()
        self._stdout.__exit__(None, None, None)


def _reason(error: RayError) -> str:
    if isinstance(error, WorkerCrashedError):
        # Ray names log files on the node, which say no more than this.
        return (
            "its process was killed, as the system does if memory is used up: give the node more "
            "memory (a container's --memory), or the build fewer --workers"
        )
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def _events(answer: list[bytes]) -> list[Event]:
    return [pickle.loads(event) for event in answer]  # noqa: S301 - bytes of texgen's own tasks


def _open_board() -> Any:  # noqa: ANN401 - an actor handle
    actor: Any = ray.remote(ray_entry.Board)
    # On the driver's node: other nodes come and go, and a lost board shows no progress.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote()
