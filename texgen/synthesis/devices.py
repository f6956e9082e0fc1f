"""GPUs of this machine that the engine `fast` can use."""

from __future__ import annotations

from dataclasses import replace

from texgen.core.config import CPU, DEFAULT_ENGINE, GPU
from texgen.core.errors import EngineStartError
from texgen.synthesis.engine_spec import EngineSpec
from texgen.synthesis.process import running_engine


def find_gpus(
    engine: EngineSpec, most: int = 1, *, timeout_s: float | None = None
) -> tuple[list[str], str]:
    """Starts an engine on one GPU after the other, each of which tests itself then.

    Args:
        engine: The engine. If it names a GPU, only that one is tried.
        most: Number of GPUs that are tried, in the order of their numbers.
        timeout_s: Time limit for each start in seconds; None takes
            `texgen.synthesis.process.START_ON_GPU_TIMEOUT_S`.

    Returns:
        Names of the first GPUs that can be used; and what is wrong with the next one, or "".
    """
    names: list[str] = []
    try:
        for number in range(most):
            gpu = number if most > 1 else engine.gpu
            on_gpu = replace(engine, device=GPU, gpu=gpu)
            with running_engine(on_gpu, timeout_s) as process:
                names.append(str(process.hello.device))
    except EngineStartError as error:
        return names, str(error).rpartition("texgen-worker: ")[2]
    return names, ""


def engine_on(engine: EngineSpec, device: str) -> tuple[EngineSpec, str]:
    """Decides what makes the textures of an engine.

    Args:
        engine: The engine.
        device: ``cpu``; ``gpu``; or ``auto``, a GPU if one can be used.

    Returns:
        The engine on a GPU or on the processor; and a line that says where and why, "" if nothing
        but the processor was asked for.

    Raises:
        EngineStartError: If ``gpu`` is asked for and cannot be used.
    """
    if device == CPU:
        return engine, ""
    if engine.name == DEFAULT_ENGINE:
        names, reason = find_gpus(engine)
    else:
        names, reason = [], f"the engine {engine.name} runs on processors alone"
    if names:
        return replace(engine, device=GPU), f"textures are made on {names[0]}"
    if device == GPU:
        raise EngineStartError(f"device gpu: {reason}; use cpu or auto")
    return engine, f"the processor makes the textures: {reason}"
