"""Rank, number of ranks and address, from variables that torchrun or a scheduler sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from texgen.core.errors import ConfigError
from texgen.core.text import pluralize

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_HINT = "torchrun sets all four; without RANK and WORLD_SIZE one process trains alone"


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rank of this process, and the address where all ranks meet.

    Attributes:
        rank: Rank of this process, from 0.
        count: Number of ranks.
        host: Host of rank 0, or of torchrun's agent.
        port: Port on ``host``.
        listens: Whether this process listens there: rank 0 does, unless torchrun's agent does.
    """

    rank: int
    count: int
    host: str
    port: int
    listens: bool


def ranks_from_environment(environment: Mapping[str, str]) -> Ranks | None:
    """Returns the ranks that torchrun's variables describe; None for a single process.

    Raises:
        ConfigError: Names a variable that is missing or not valid, and its value.
    """
    if "RANK" not in environment:
        size = environment.get("WORLD_SIZE", "1")
        if size.isdigit() and int(size) > 1:
            raise ConfigError(f"WORLD_SIZE={size} is set and RANK is not: {_HINT}")
        return None
    for name in _VARIABLES:
        if not environment.get(name):
            raise ConfigError(f"RANK={environment['RANK']} is set and {name} is not: {_HINT}")
    count = _number(environment, "WORLD_SIZE", 1, None)
    rank = _number(environment, "RANK", 0, None)
    if rank >= count:
        raise ConfigError(f"RANK={rank}: WORLD_SIZE={count} has ranks 0 to {count - 1}")
    return Ranks(
        rank,
        count,
        environment["MASTER_ADDR"],
        _number(environment, "MASTER_PORT", 1, 65535),
        rank == 0 and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
    )


def local_cuda_device(environment: Mapping[str, str], devices: int) -> int:
    """Returns the number of this rank's CUDA device, of all ``devices`` here, from LOCAL_RANK.

    Raises:
        ConfigError: If LOCAL_RANK is missing, or there is no such device.
    """
    if "LOCAL_RANK" not in environment:
        raise ConfigError(
            f"RANK={environment.get('RANK')} is set and LOCAL_RANK is not, which is the number of "
            "the rank's CUDA device: torchrun sets both"
        )
    number = _number(environment, "LOCAL_RANK", 0, None)
    if number >= devices:
        raise ConfigError(
            f"LOCAL_RANK={number}: torch finds {pluralize(devices, 'CUDA device')} here; start as "
            "many ranks (--nproc-per-node), or use --device cpu"
        )
    return number


def _number(environment: Mapping[str, str], name: str, least: int, most: int | None) -> int:
    text = environment[name]
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least or (most is not None and value > most):
        upper = f"to {most}" if most is not None else "or more"
        raise ConfigError(f"{name}={text}: expected a whole number, {least} {upper}")
    return value
