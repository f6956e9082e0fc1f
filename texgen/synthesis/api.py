"""`texgen.synthesize`: synthesises one texture from Python."""

from __future__ import annotations

from collections.abc import Sequence

from texgen.core.config import (
    DEFAULT_ENGINE,
    ENGINES,
    MAX_SIZE,
    STUB,
    TEXTURE_SIZE,
    UPSTREAM_ENGINE,
    max_size,
    sample_timeout_s,
)
from texgen.core.errors import EngineSampleError
from texgen.core.types import Pixels
from texgen.synthesis.engine_spec import EngineSpec
from texgen.synthesis.patches import (
    MAX_PATCHES,
    MAX_SEED,
    check_rgb,
    checked_integer,
    mirror_to_minimum,
)
from texgen.synthesis.protocol import Job
from texgen.synthesis.shared_pools import shared_pool

_SIZES = (TEXTURE_SIZE, 1024, MAX_SIZE)
"""Sizes in px that have a pool, since a pool has one time-out; a texture takes the next larger.

A pool for every size would run too many engines."""


def synthesize(
    patches: Sequence[Pixels],
    size: int = TEXTURE_SIZE,
    seed: int = 0,
    *,
    engine: str = DEFAULT_ENGINE,
    engine_bin: str | None = None,
) -> Pixels:
    """Synthesises a texture from example patches (Efros and Leung 1999; Wei and Levoy 2000).

    The engine runs in a process of its own that stays warm for the next call.
    Calls from several threads run side by side.

    Args:
        patches: 1 to 255 arrays (h, w, 3) uint8; sides under 16 px are mirrored out to 16.
        size: Side of the texture in px, 1 to 1024; up to 4096 with ``embark`` and ``embark-cli``.
        seed: Seed in [0, 2**64); the ``seed`` of a manifest row gives that row's texture.
        engine: Name of an engine of `texgen.core.config.ENGINES`.
        engine_bin: Path of upstream's program; for ``embark-cli`` only.

    Returns:
        (size, size, 3) uint8; every pixel is copied from a patch.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If an argument has the wrong type.
        SampleError: If the engine fails to synthesise the texture.
        EngineStartError: If the engine cannot be started.
    """
    if not 1 <= len(patches) <= MAX_PATCHES:
        raise ValueError(f"expected 1 to {MAX_PATCHES} patches, got {len(patches)}")
    seed = checked_integer("seed", seed, 0, MAX_SEED)
    _check_engine(engine, engine_bin)
    size = checked_size(size, engine)
    for patch in patches:
        check_rgb(patch)
    examples = tuple(mirror_to_minimum(patch) for patch in patches)
    pool = shared_pool(EngineSpec(engine, engine_bin), _timeout_s(size))
    texture = pool.synthesize(Job("texture", examples, size, seed, wants_raw=True))
    if texture.pixels is None:
        raise EngineSampleError("engine_garbage", "no pixels")
    return texture.pixels


def _check_engine(engine: str, engine_bin: str | None) -> None:
    if engine not in (*ENGINES, STUB):
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine_bin is not None and engine != UPSTREAM_ENGINE:
        raise ValueError(f"engine_bin goes with the engine {UPSTREAM_ENGINE}, not with {engine}")


def checked_size(size: int, engine: str) -> int:
    """Returns the side of a texture in px as an int.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If the engine makes no textures of that size.
    """
    size = checked_integer("size", size, 1, MAX_SIZE)
    most = max_size(engine)
    if size > most:
        raise ValueError(
            f"size must be 1 to {most}, not {size}; engine='embark' goes to {MAX_SIZE}"
        )
    return size


def _timeout_s(size: int) -> float:
    return sample_timeout_s(next(top for top in _SIZES if size <= top))
