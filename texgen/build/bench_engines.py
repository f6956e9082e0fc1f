"""`texgen bench`: what engines cost on the same patches, side by side in one run."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from texgen.core.config import sample_timeout_s
from texgen.core.errors import ConfigError, ImageError, SourceError
from texgen.core.seeds import texture_seed
from texgen.source import EXPECTED, Source
from texgen.source.decode import decode
from texgen.synthesis import EngineSpec, Job
from texgen.synthesis.job import make_job
from texgen.synthesis.patches import DEFAULT_RULE
from texgen.synthesis.process import EngineProcess, running_engine
from texgen.synthesis.protocol import Texture

_PER_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class BenchJob:
    """A photograph's texture, to be made by every engine.

    Attributes:
        job: The patches and the seed, as in a build.
        decode_s: Processor time to decode the photograph, s.
    """

    job: Job
    decode_s: float


@dataclass(slots=True)
class EngineCost:
    """What one engine cost, in processor seconds of its process and of those it started.

    Attributes:
        name: Of the engine.
        version: Of its algorithm.
        textures: Made in each round.
        schedule_s: Wall clock of what is made once a process, before the first round.
        rounds: Of each round, a texture.
        parts: Mean wall clock a texture within the engine process: schedule, load,
            synthesis, encoding, s.
    """

    name: str
    version: str
    textures: int
    schedule_s: float
    rounds: list[float] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def texture_s(self) -> float:
        """Median over the rounds, a texture."""
        return statistics.median(self.rounds)

    @property
    def rest_s(self) -> float:
        """What is in none of the parts, a texture.

        Parts are wall clock, which on a busy machine makes more than the whole: then it is 0.
        """
        return max(0.0, self.texture_s - sum(self.parts.values()))


def bench_jobs(source: Source, limit: int, size: int, image_format: str) -> list[BenchJob]:
    """Jobs of the first ``limit`` photographs of the first split, spread over its classes.

    Raises:
        ConfigError: If no photograph can be decoded.
        SourceError: If the source cannot be listed.
    """
    split = source.splits()[0]
    entries = list(source.entries(split))
    if not entries:
        message = f"the split {split.name!r} of --src holds no images; {EXPECTED}"
        raise SourceError(message)
    step = max(1, len(entries) // limit)
    jobs = []
    for entry in entries[::step][:limit]:
        seed = texture_seed(0, entry.key, 0)
        started = time.process_time()
        try:
            image = decode(source.read(entry))
        except ImageError:
            continue
        decode_s = time.process_time() - started
        quality = 95 if image_format == "jpg" else None
        job, _ = make_job(entry.key, image, seed, DEFAULT_RULE, size, image_format, quality)
        jobs.append(BenchJob(job, decode_s))
    if not jobs:
        message = f"no photograph of the split {split.name!r} can be decoded; name another --src"
        raise ConfigError(message)
    return jobs


def compare(
    engines: Sequence[EngineSpec],
    jobs: Sequence[BenchJob],
    rounds: int,
    tell: Callable[[int], None],
) -> list[EngineCost]:
    """Runs all jobs through every engine, engine after engine, round after round.

    In turn, so that a machine whose speed drifts is as unfair to one as to another.

    Args:
        engines: Whose costs are returned, in this order.
        jobs: The same for all.
        rounds: At least 1.
        tell: Called with the number of each finished round.

    Raises:
        EngineStartError: If an engine cannot be started.
        SampleError: If an engine makes no texture.
        ConfigError: If this system does not tell a process's time.
    """
    with contextlib.ExitStack() as stack:
        runs = []
        for spec in engines:
            process = stack.enter_context(running_engine(spec))
            runs.append((process, _warm_up(process, jobs)))
        for number in range(rounds):
            for process, cost in runs:
                _run_round(process, cost, jobs)
            tell(number + 1)
    return [cost for _, cost in runs]


def _warm_up(process: EngineProcess, jobs: Sequence[BenchJob]) -> EngineCost:
    """Has everything made that is made once; its cost is that of no texture."""
    schedule_s = 0.0
    for job in jobs:
        schedule_s += _ask(process, job).schedule_s
        # An engine that makes nothing for later may take seconds a texture.
        if not schedule_s:
            break
    return EngineCost(process.hello.engine, process.hello.engine_version, len(jobs), schedule_s)


def _run_round(process: EngineProcess, cost: EngineCost, jobs: Sequence[BenchJob]) -> None:
    before = process_time_s(process.pid)
    textures = [_ask(process, job) for job in jobs]
    cost.rounds.append((process_time_s(process.pid) - before) / len(jobs))
    done = len(cost.rounds)
    for part in ("schedule", "load", "synthesis", "encoding"):
        mean = statistics.fmean(getattr(texture, f"{part}_s") for texture in textures)
        earlier = cost.parts.get(part, 0.0)
        cost.parts[part] = earlier + (mean - earlier) / done


def _ask(process: EngineProcess, job: BenchJob) -> Texture:
    return process.ask(job.job, sample_timeout_s(job.job.size))


def process_time_s(pid: int) -> float:
    """Processor time of a process and of its children that have ended, s.

    In ticks of 10 ms, so it is the sum over many textures that means something.

    Raises:
        ConfigError: If this system does not tell it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        message = "processes' times are read from /proc, which only Linux has"
        raise ConfigError(message) from error
    # Behind the name in parentheses, which may hold anything, fields 3 and on: user and
    # system time of all threads are 14 and 15, those of children 16 and 17.
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) * _PER_TICK_S
