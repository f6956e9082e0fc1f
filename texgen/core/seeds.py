"""Random numbers that follow from identity and never from order.

Every random number is a keyed BLAKE2b hash of what it belongs to, reduced by integer
arithmetic, so that any texture can be rebuilt alone, on any machine.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import index

SEED_BITS = 53
"""Bits of a seed: a double holds them exactly, so that JSON readers in any language keep them."""

_POSITION_BITS = 128


def texture_seed(run_seed: int, key: str, texture_index: int) -> int:
    """Seed of texture ``texture_index`` of the image ``key``.

    Args:
        run_seed: ``--seed``, any integer.
        key: Key of the image.
        texture_index: Number of the texture among those of its image, from 0.

    Returns:
        An integer in [0, 2**53).
    """
    message = f"{run_seed}\0{key}\0{texture_index}".encode()
    digest = blake2b(message, digest_size=8, person=b"texgen-texture").digest()
    return int.from_bytes(digest, "little") >> (64 - SEED_BITS)


def position_index(seed: int, count: int) -> int:
    """Chooses one of ``count`` positions from a texture's seed.

    Args:
        seed: Seed of the texture in [0, 2**64), of any integer type.
        count: Number of positions, 1 or more.

    Returns:
        An integer in [0, count), uniform but for a bias below count / 2**128.
    """
    message = index(seed).to_bytes(8, "little")
    digest = blake2b(message, digest_size=_POSITION_BITS // 8, person=b"texgen-position").digest()
    return (int.from_bytes(digest, "little") * count) >> _POSITION_BITS
