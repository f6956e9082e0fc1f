"""The options ``--device`` and ``--gpus``: what makes the textures of a build on this machine."""

from __future__ import annotations

from dataclasses import replace

from texgen.core.config import CPU, DEFAULT_ENGINE, GPU, RunOptions
from texgen.core.errors import ConfigError
from texgen.synthesis import EngineSpec
from texgen.synthesis.devices import find_gpus


def choose_device(options: RunOptions, engine: EngineSpec) -> tuple[RunOptions, tuple[str, ...]]:
    """Starts the engine on each GPU that is asked for, and finds out whether it can be used.

    With ``--ray-address`` the nodes of the cluster find out.

    Returns:
        The options with the device that makes the textures, ``cpu`` or ``gpu``, the number of GPUs
        that can be used, and with plain processes if there are any; and lines that say so.

    Raises:
        ConfigError: If ``--device gpu`` finds fewer GPUs that pass their self-tests than are asked
            for, or if options do not go together.
    """
    _check(options, engine)
    if options.device == CPU or options.ray_address is not None:
        return options, ()
    found = find_gpus(engine, options.gpus)
    usable = len(found.names)
    if found.reason and options.device == GPU:
        wanted = f"--gpus {options.gpus}" if usable else "--device gpu"
        instead = f"--gpus {usable}" if usable else "--device cpu"
        raise ConfigError(f"{wanted}: {found.reason}; use {instead}")
    if not usable:
        return replace(options, device=CPU), (found.note,)
    lines = [found.note]
    if found.reason:
        lines.append(f"of {options.gpus} GPUs {usable} can be used: {found.reason}")
    if options.workers is not None:
        lines.append("--workers counts engines on processors, and none works there")
    return replace(options, device=GPU, gpus=usable, ray=False), tuple(lines)


def _check(options: RunOptions, engine: EngineSpec) -> None:
    if options.device == CPU:
        if options.gpus != 1:
            raise ConfigError(f"--gpus {options.gpus} goes with --device gpu or auto: add one")
        return
    if engine.name != DEFAULT_ENGINE:
        raise ConfigError(
            f"--device {options.device} goes with --engine {DEFAULT_ENGINE}, not with {engine.name}"
        )
    if options.ray_address is not None and options.gpus != 1:
        raise ConfigError(
            f"--gpus {options.gpus} counts GPUs of this machine, and a cluster's nodes say how "
            "many they have: leave out --gpus or --ray-address"
        )
