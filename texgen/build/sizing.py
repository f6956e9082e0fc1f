"""Choice of the executor, and the number of engine processes for each shard."""

from __future__ import annotations

import heapq
import math

from texgen.build.executors import Executor
from texgen.build.executors.processes import ProcessExecutor
from texgen.core.config import CPU, RunOptions
from texgen.core.cpus import available_cpus


def open_executor(options: RunOptions, rows: list[int]) -> tuple[Executor, int]:
    """Starts the executor that makes shards of so many textures.

    Returns:
        The executor, and the number of engine processes for each shard.
    """
    if options.device != CPU and options.ray_address is None:
        # One process feeds a GPU better than many, which would take turns.
        return ProcessExecutor(options.gpus), 1
    if not options.ray:
        processes = options.workers or available_cpus()
        engines = engines_per_shard(rows, 1, processes)
        return ProcessExecutor(processes // engines), engines
    # Imported only here: Ray takes half a second to import, and plain processes do not need it.
    from texgen.build.executors.ray import RayExecutor

    local = options.ray_address is None
    workers = options.workers or (available_cpus() if local else None)
    executor = RayExecutor(options.ray_address, workers, options.device)
    engines = engines_per_shard(rows, executor.nodes.capacity.nodes, executor.workers)
    executor.use_engines(engines)
    return executor, engines


def engines_per_shard(rows: list[int], nodes: int, workers: int) -> int:
    """How many engine processes one shard should feed.

    With many shards it is one. With fewer than four shards a worker, some workers would idle
    while the last shards are made; then it is the number with the shortest estimated time, where
    each free slot takes the next shard in order.

    Args:
        rows: Number of textures of each shard.
        nodes: Number of nodes.
        workers: Engine processes on each node.
    """
    if len(rows) >= 4 * nodes * workers:
        return 1
    # More engines than the largest shard has textures would idle from the start.
    most = min(workers, max(rows))
    return min(range(1, most + 1), key=lambda engines: _rounds(rows, nodes, workers, engines))


def _rounds(rows: list[int], nodes: int, workers: int, engines: int) -> int:
    """Number of textures that the busiest engine makes one after the other."""
    # More slots than shards change nothing. All slots begin equal, so that the list is a heap.
    slots = [0] * min(nodes * (workers // engines), len(rows))
    for count in rows:
        heapq.heapreplace(slots, slots[0] + math.ceil(count / engines))
    return max(slots)
