"""Randomness from identity, never from order.

Every draw is a keyed BLAKE2b hash of what it belongs to, reduced by integer
arithmetic, so that any texture can be made again alone, on any machine.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import index

SEED_BITS = 53
"""A seed is exact as a double, so that JSON readers in any language keep it."""

_POSITION_BITS = 128


def texture_seed(run_seed: int, key: str, texture_index: int) -> int:
    """Seed of texture ``texture_index`` of the photograph ``key``.

    Args:
        run_seed: ``--seed``, any integer.
        key: The photograph's key.
        texture_index: 0 or more.

    Returns:
        An integer in [0, 2**53).
    """
    message = f"{run_seed}\0{key}\0{texture_index}".encode()
    digest = blake2b(message, digest_size=8, person=b"texgen-texture").digest()
    return int.from_bytes(digest, "little") >> (64 - SEED_BITS)


def position_index(seed: int, count: int) -> int:
    """Draws one of ``count`` positions from a texture's seed.

    Args:
        seed: Of the texture, in [0, 2**64); any integer type.
        count: Number of positions, 1 or more.

    Returns:
        An integer in [0, count), uniform but for a bias below count / 2**128.
    """
    message = index(seed).to_bytes(8, "little")
    digest = blake2b(message, digest_size=_POSITION_BITS // 8, person=b"texgen-position").digest()
    return (int.from_bytes(digest, "little") * count) >> _POSITION_BITS
