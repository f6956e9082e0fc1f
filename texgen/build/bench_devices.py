"""`texgen bench --device`: textures a second of a GPU and of all processors, in one run."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from texgen.build.bench_engines import BenchJob
from texgen.core.config import sample_timeout_s
from texgen.core.cpus import available_cpus
from texgen.core.errors import SampleError
from texgen.core.text import pluralize
from texgen.synthesis import EnginePool, EngineSpec


@dataclass(slots=True)
class DeviceRate:
    """Textures a second of a device that works on many of them at once, with their encoding.

    Attributes:
        name: Name of the device.
        textures: Number of textures in each round.
        rounds: Textures a second of wall clock in each round.
    """

    name: str
    textures: int
    rounds: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Textures a second, median over the rounds."""
        return statistics.median(self.rounds)


def compare_devices(
    engine: EngineSpec,
    gpu: str,
    jobs: Sequence[BenchJob],
    rounds: int,
    on_round: Callable[[int], None],
) -> list[DeviceRate]:
    """Runs all jobs on a GPU and on all processors, one after the other, round after round.

    Args:
        engine: The engine on a GPU.
        gpu: Name of the GPU.
        jobs: The textures.
        rounds: Number of rounds; one more warms both up.
        on_round: Called with the number of each finished round.

    Raises:
        EngineStartError: If an engine cannot be started.
        SampleError: If a texture cannot be made.
    """
    timeout_s = sample_timeout_s(jobs[0].job.size)
    devices = {
        gpu: (engine, 1),
        pluralize(available_cpus(), "processor"): (EngineSpec(engine.name), available_cpus()),
    }
    with contextlib.ExitStack() as stack:
        runs = [
            (
                stack.enter_context(EnginePool(spec, size, timeout_s=timeout_s)),
                DeviceRate(name, len(jobs)),
            )
            for name, (spec, size) in devices.items()
        ]
        for number in range(rounds + 1):
            for pool, rate in runs:
                per_second = len(jobs) / _seconds(pool, jobs)
                if number:
                    rate.rounds.append(per_second)
            if number:
                on_round(number)
    return [rate for _, rate in runs]


def _seconds(pool: EnginePool, jobs: Sequence[BenchJob]) -> float:
    started = time.perf_counter()
    for _, texture in pool.map((job, job.job) for job in jobs):
        if isinstance(texture, SampleError):
            raise texture
    return time.perf_counter() - started
