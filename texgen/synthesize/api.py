"""`texgen.synthesize`: one texture from Python."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence

from texgen.config import DEFAULT_ENGINE
from texgen.cpus import available_cpus
from texgen.errors import EngineSampleError
from texgen.patches import check_rgb, mirror_to_minimum
from texgen.synthesize.pool import EnginePool
from texgen.synthesize.process import EngineSpec
from texgen.synthesize.protocol import Job
from texgen.types import Pixels

_guard = threading.Lock()
_pools: dict[tuple[int, EngineSpec], EnginePool] = {}


def synthesize(
    patches: Sequence[Pixels],
    size: int = 224,
    seed: int = 0,
    *,
    engine: str = DEFAULT_ENGINE,
    engine_bin: str | None = None,
) -> Pixels:
    """Makes a texture from example patches (Efros and Leung 1999; Wei and Levoy 2000).

    The engine runs in a process of its own that stays warm for the next call;
    calls from several threads run side by side.

    Args:
        patches: 1 to 255 arrays (h, w, 3) uint8; sides under 16 px are mirrored out to 16.
        size: Side of the texture, px, 1 to 1024.
        seed: In [0, 2**64); a manifest row's ``seed`` gives that row's texture.
        engine: ``embark`` or ``embark-cli``.
        engine_bin: Upstream's program, for ``embark-cli``.

    Returns:
        (size, size, 3) uint8; every pixel is a copy from a patch.

    Raises:
        ValueError: If an argument is out of range.
        SampleError: If the engine makes no texture.
        EngineStartError: If the engine cannot be started.
    """
    if not 1 <= len(patches) <= 255:
        message = f"expected 1 to 255 patches, got {len(patches)}"
        raise ValueError(message)
    if not 0 <= seed < 2**64:
        message = f"seed must be in [0, 2**64), not {seed}"
        raise ValueError(message)
    if not 1 <= size <= 1024:
        message = f"size must be 1 to 1024 px, not {size}"
        raise ValueError(message)
    for patch in patches:
        check_rgb(patch)
    examples = tuple(mirror_to_minimum(patch) for patch in patches)
    pool = _pool(EngineSpec(engine, engine_bin))
    texture = pool.synthesize(Job("texture", examples, size, seed, wants_raw=True))
    if texture.pixels is None:
        raise EngineSampleError("engine_garbage", "no pixels")
    return texture.pixels


def close_pools() -> None:
    """Ends the engines that `synthesize` keeps warm; the next call starts new ones."""
    with _guard:
        while _pools:
            (pid, _), pool = _pools.popitem()
            if pid == os.getpid():
                pool.close()


atexit.register(close_pools)


def _pool(spec: EngineSpec) -> EnginePool:
    # Threads do not survive a fork, so a forked process (a DataLoader's) gets its own pool.
    identity = (os.getpid(), spec)
    with _guard:
        if identity not in _pools:
            _pools[identity] = EnginePool(spec, available_cpus())
        return _pools[identity]
