"""Engines that a process keeps warm from call to call, and that end with it."""

from __future__ import annotations

import atexit
import os
import sys
import threading

from texgen.core.cpus import available_cpus, ranks_here
from texgen.synthesis.engine_spec import EngineSpec
from texgen.synthesis.pool import EnginePool

_guard = threading.Lock()
_pools: dict[tuple[int, EngineSpec, float, int | None, int | None], EnginePool] = {}


def shared_pool(
    spec: EngineSpec, timeout_s: float, *, size: int | None = None, engines: int | None = None
) -> EnginePool:
    """Returns this process's pool of engines, which the first call creates.

    Engines start when calls run side by side: one call after the other needs one engine.

    Args:
        spec: The engine.
        timeout_s: Time limit for one texture in seconds.
        size: Side of the pool's textures in px; None for a pool of mixed sizes. An engine keeps
            what textures of one size share, but not for many sizes.
        engines: Number of engine processes; None takes this process's share of the processors.
    """
    # Threads do not survive a fork, so a forked process (a DataLoader's) gets its own pool.
    identity = (os.getpid(), spec, timeout_s, size, engines)
    with _guard:
        if identity not in _pools:
            _close_at_the_end()
            _pools[identity] = EnginePool(spec, engines or _share(), timeout_s=timeout_s)
        return _pools[identity]


def close_pools() -> None:
    """Ends the engines of this process that are kept warm; the next call starts new ones."""
    with _guard:
        # Those that a fork has inherited stay: dropping them would clean up for their own process.
        for identity in [one for one in _pools if one[0] == os.getpid()]:
            _pools.pop(identity).close()


atexit.register(close_pools)


def _close_at_the_end() -> None:
    """Ends the engines with a process of `multiprocessing` too, where `atexit` calls nothing.

    The kernel would kill them later, but nobody would reap them in a container whose first process
    is the trainer.
    """
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, close_pools, exitpriority=0)


def _share() -> int:
    """Number of processors for each process that uses engines: of all loaders and ranks here."""
    data = sys.modules.get("torch.utils.data")
    loader = data.get_worker_info() if data is not None else None
    loaders = 1 if loader is None else loader.num_workers
    return max(1, available_cpus() // (loaders * ranks_here()))


def _renew_guard() -> None:
    """Replaces the lock in a forked process: another thread may have held it at the fork."""
    global _guard
    _guard = threading.Lock()


os.register_at_fork(after_in_child=_renew_guard)
