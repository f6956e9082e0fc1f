"""Who makes the shards, and how many engines each shard gets."""

from __future__ import annotations

import heapq
import math

from texgen.build.executors import Executor, ProcessExecutor
from texgen.core.config import RunOptions
from texgen.core.cpus import available_cpus


def open_executor(options: RunOptions, rows: list[int]) -> tuple[Executor, int]:
    """Starts what the shards are made in.

    Args:
        options: How the build runs.
        rows: Textures of each shard that is to be made.

    Returns:
        The executor, and the engine processes for each shard.
    """
    if not options.ray:
        processes = options.workers or available_cpus()
        engines = engines_per_shard(rows, 1, processes)
        return ProcessExecutor(processes // engines), engines
    # Here, since Ray takes half a second to import and plain processes need none of it.
    from texgen.build.executors.ray import RayExecutor

    local = options.ray_address is None
    workers = options.workers or (available_cpus() if local else None)
    executor = RayExecutor(options.ray_address, workers)
    engines = engines_per_shard(rows, executor.capacity.nodes, executor.workers)
    executor.use_engines(engines)
    return executor, engines


def engines_per_shard(rows: list[int], nodes: int, workers: int) -> int:
    """How many engine processes one shard should feed.

    With many shards it is one. With fewer than four a worker, some workers
    would idle while the last shards are made; then it is the number with the
    shortest estimated time, shards being dealt out in order to whoever is free.

    Args:
        rows: Textures of each shard.
        nodes: Number of nodes.
        workers: Engine processes on each node.
    """
    if len(rows) >= 4 * nodes * workers:
        return 1
    # More engines than the largest shard has textures would idle from the start.
    most = min(workers, max(rows))
    return min(range(1, most + 1), key=lambda engines: _rounds(rows, nodes, workers, engines))


def _rounds(rows: list[int], nodes: int, workers: int, engines: int) -> int:
    """Textures that the busiest engine makes, one after the other."""
    # Slots that no shard comes to change nothing. All equal, so that it is a heap.
    slots = [0] * min(nodes * (workers // engines), len(rows))
    for count in rows:
        heapq.heapreplace(slots, slots[0] + math.ceil(count / engines))
    return max(slots)
