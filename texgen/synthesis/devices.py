"""GPUs of this machine that the engine `fast` can use."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from texgen.core.config import CPU, DEFAULT_ENGINE, GPU
from texgen.core.errors import EngineStartError
from texgen.synthesis.engine_spec import EngineSpec, worker_path
from texgen.synthesis.process import running_engine


@dataclass(frozen=True, slots=True)
class FoundGpus:
    """GPUs that passed their self-tests.

    Attributes:
        names: Names of the first GPUs that can be used, in the order of their numbers.
        reason: What is wrong with the next one, or "".
    """

    names: tuple[str, ...]
    reason: str = ""

    @property
    def note(self) -> str:
        """A line that says what makes the textures, and why if the processor does."""
        if self.names:
            return f"textures are made on {', '.join(self.names)}"
        return f"the processor makes the textures: {self.reason}"


@dataclass(frozen=True, slots=True)
class ChosenDevice:
    """What makes the textures of an engine.

    Attributes:
        engine: The engine, on a GPU or on the processor.
        gpu: Name of the GPU; None if it is the processor.
        note: A line that says so; "" if nothing but the processor was asked for.
    """

    engine: EngineSpec
    gpu: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TriedGpu:
    """A GPU that was started once.

    Attributes:
        number: Its number, from 0, as ``TEXGEN_GPU`` takes it; None if this machine has no GPU.
        name: Its name; None if it cannot be used.
        reason: What is wrong with it, or "".
        start_s: Time of the start with the self-test, s.
    """

    number: int | None
    name: str | None
    reason: str
    start_s: float


def find_gpus(engine: EngineSpec, most: int = 1) -> FoundGpus:
    """Starts an engine on one GPU after the other, each of which tests itself then.

    The engines end again, since whoever makes textures later does so in other threads or
    processes, with which its engines start and end.

    Args:
        engine: The engine. If it names a GPU, only that one is tried.
        most: Number of GPUs that are tried, in the order of their numbers.
    """
    names: list[str] = []
    for number in range(most):
        name, reason = _try_gpu(replace(engine, gpu=number if most > 1 else engine.gpu))
        if name is None:
            return FoundGpus(tuple(names), reason)
        names.append(name)
    return FoundGpus(tuple(names))


def try_gpus(engine: EngineSpec, timeout_s: float) -> Iterator[TriedGpu]:
    """Starts an engine on each GPU of this machine in turn, also after one that cannot be used.

    Args:
        engine: The engine.
        timeout_s: Time limit for each start in seconds.

    Yields:
        Each GPU; without any a single one without a number, whose ``reason`` says so.
    """
    count = _count_gpus(timeout_s)
    # Without any, an engine says why there is none.
    for number in range(max(count, 1)):
        started = time.monotonic()
        name, reason = _try_gpu(replace(engine, gpu=number), timeout_s)
        known = bool(count) or name is not None
        yield TriedGpu(number if known else None, name, reason, time.monotonic() - started)


def engine_on(engine: EngineSpec, device: str) -> ChosenDevice:
    """Decides what makes the textures of an engine.

    Args:
        engine: The engine.
        device: ``cpu``; ``gpu``; or ``auto``, a GPU if one can be used.

    Raises:
        EngineStartError: If ``gpu`` is asked for and cannot be used.
    """
    if device == CPU:
        return ChosenDevice(engine)
    if engine.name == DEFAULT_ENGINE:
        found = find_gpus(engine)
    else:
        found = FoundGpus((), f"the engine {engine.name} runs on processors alone")
    if found.names:
        return ChosenDevice(replace(engine, device=GPU), found.names[0], found.note)
    if device == GPU:
        raise EngineStartError(f"device gpu: {found.reason}; use cpu or auto")
    return ChosenDevice(engine, None, found.note)


def _count_gpus(timeout_s: float) -> int:
    """Returns the number of GPUs that a worker finds; 0 also if a driver ends or stops it."""
    command = [str(worker_path()), "--list-gpus"]
    try:
        done = subprocess.run(  # noqa: S603 - our own worker
            command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=timeout_s
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return len(done.stdout.splitlines())


def _try_gpu(engine: EngineSpec, timeout_s: float | None = None) -> tuple[str | None, str]:
    """Returns the name of a GPU that can be used, or None; and what is wrong with it, or ""."""
    try:
        with running_engine(replace(engine, device=GPU), timeout_s) as process:
            return str(process.hello.device), ""
    except EngineStartError as error:
        return None, str(error).rpartition("texgen-worker: ")[2]
