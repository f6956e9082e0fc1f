"""The option ``--device``: which device makes the textures of a build on this machine."""

from __future__ import annotations

from dataclasses import replace

from texgen.core.config import CPU, DEFAULT_ENGINE, RunOptions
from texgen.core.errors import ConfigError, EngineStartError
from texgen.synthesis import EngineSpec
from texgen.synthesis.process import running_engine


def choose_device(options: RunOptions, engine: EngineSpec) -> tuple[RunOptions, tuple[str, ...]]:
    """Starts the engine once if it may run on a GPU of this machine, and finds out whether it does.

    With ``--ray-address`` the nodes of the cluster find out.

    Returns:
        The options with the device that makes the textures, ``cpu`` or ``gpu``, and with plain
        processes if that is a GPU; and a line that names the device.

    Raises:
        ConfigError: If ``--device gpu`` finds no GPU that passes its self-test, or if options do
            not go together.
    """
    if options.device == CPU:
        return options, ()
    if engine.name != DEFAULT_ENGINE:
        raise ConfigError(
            f"--device {options.device} goes with --engine {DEFAULT_ENGINE}, not with {engine.name}"
        )
    if options.ray_address is not None:
        if options.gpus != 1:
            raise ConfigError(
                f"--gpus {options.gpus} counts GPUs of this machine, and a cluster's nodes say how "
                "many they have: leave out --gpus or --ray-address"
            )
        return options, ()
    try:
        with running_engine(replace(engine, device="gpu")) as process:
            name = process.hello.device
    except EngineStartError as error:
        reason = str(error).rpartition("texgen-worker: ")[2]
        if options.device == "gpu":
            raise ConfigError(f"--device gpu: {reason}; use --device cpu") from error
        return replace(options, device=CPU), (f"the processor makes the textures: {reason}",)
    return replace(options, device="gpu", ray=False), (f"textures are made on {name}",)
