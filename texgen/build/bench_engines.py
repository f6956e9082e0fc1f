"""`texgen bench`: processor time of engines on the same patches, measured in one run."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from texgen.core.config import sample_timeout_s
from texgen.core.decode import decode
from texgen.core.errors import ConfigError, ImageError, SourceError
from texgen.core.seeds import texture_seed
from texgen.source import EXPECTED_FORMS, Source
from texgen.synthesis import EngineSpec, Job
from texgen.synthesis.patches import DEFAULT_RULE, make_job
from texgen.synthesis.process import EngineProcess, running_engine
from texgen.synthesis.protocol import STEPS, Texture

_PER_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class BenchJob:
    """A texture that every engine makes.

    Attributes:
        job: The engine's job, with patches and seed as in a build.
        decode_s: Processor time to decode the image, s.
    """

    job: Job
    decode_s: float


@dataclass(slots=True)
class EngineCost:
    """Cost of one engine, in processor time of its process and of the processes it started.

    Attributes:
        name: Name of the engine.
        version: Version of its algorithm.
        textures: Number of textures in each round.
        schedule_s: Wall clock of the schedules that a process makes once, before the first
            round, s.
        rounds: Processor time of each round, divided by its textures, s.
        parts: Mean wall clock of a texture within the engine process, s, for schedule, load,
            synthesis and encoding.
    """

    name: str
    version: str
    textures: int
    schedule_s: float
    rounds: list[float] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def texture_s(self) -> float:
        """Processor time of a texture, median over the rounds, s."""
        return statistics.median(self.rounds)

    @property
    def rest_s(self) -> float:
        """Time of a texture outside of the parts, s.

        It is 0 where the parts sum up to more than the whole: they are wall clock, which on a
        busy machine exceeds processor time.
        """
        return max(0.0, self.texture_s - sum(self.parts.values()))


def bench_jobs(source: Source, limit: int, size: int, image_format: str) -> list[BenchJob]:
    """Jobs of at most ``limit`` images of the first split, spread evenly over its classes.

    Args:
        source: SRC, opened.
        limit: Largest number of jobs.
        size: Side of the textures, px.
        image_format: ``png``, ``webp`` or ``jpg``; JPEG quality is 95.

    Raises:
        ConfigError: If no image can be decoded.
        SourceError: If the source cannot be listed, or the split holds no images.
    """
    split = source.splits()[0]
    entries = list(source.entries(split))
    if not entries:
        raise SourceError(f"the split {split.name!r} of --src holds no images; {EXPECTED_FORMS}")
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
        raise ConfigError(
            f"no image of the split {split.name!r} can be decoded; give another --src"
        )
    return jobs


def compare_engines(
    engines: Sequence[EngineSpec],
    jobs: Sequence[BenchJob],
    rounds: int,
    on_round: Callable[[int], None],
) -> list[EngineCost]:
    """Runs all jobs through every engine, engine after engine, round after round.

    The engines take turns, so that a drift of the machine's speed affects all of them alike.
    ``on_round`` is called with the number of each finished round.

    Raises:
        EngineStartError: If an engine cannot be started.
        SampleError: If an engine makes no texture.
        ConfigError: If this system does not report the processor time of a process.
    """
    with contextlib.ExitStack() as stack:
        runs = []
        for spec in engines:
            process = stack.enter_context(running_engine(spec))
            runs.append((process, _warm_up(process, jobs)))
        for number in range(rounds):
            for process, cost in runs:
                _run_round(process, cost, jobs)
            on_round(number + 1)
    return [cost for _, cost in runs]


def _warm_up(process: EngineProcess, jobs: Sequence[BenchJob]) -> EngineCost:
    """Makes textures until the process has all its schedules, whose time is counted apart."""
    schedule_s = 0.0
    for job in jobs:
        schedule_s += _ask(process, job).schedule_s
        # An engine without schedules may take seconds a texture, so one texture is enough.
        if not schedule_s:
            break
    return EngineCost(process.hello.engine, process.hello.engine_version, len(jobs), schedule_s)


def _run_round(process: EngineProcess, cost: EngineCost, jobs: Sequence[BenchJob]) -> None:
    before = process_time_s(process.pid)
    textures = [_ask(process, job) for job in jobs]
    cost.rounds.append((process_time_s(process.pid) - before) / len(jobs))
    rounds = len(cost.rounds)
    for step in STEPS:
        part = step.removesuffix("_s")
        mean = statistics.fmean(getattr(texture, step) for texture in textures)
        earlier = cost.parts.get(part, 0.0)
        cost.parts[part] = earlier + (mean - earlier) / rounds


def _ask(process: EngineProcess, job: BenchJob) -> Texture:
    return process.ask(job.job, sample_timeout_s(job.job.size))


def process_time_s(pid: int) -> float:
    """Processor time of a process and of its children that have ended, s.

    It counts in ticks of 10 ms, so only the sum over many textures is precise.

    Raises:
        ConfigError: If this system does not report it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        raise ConfigError(
            "the processor time of a process is read from /proc, which only Linux has"
        ) from error
    # The name in parentheses may hold anything; field 3 is the first behind it. Fields 14 and
    # 15 are user and system time of all threads, fields 16 and 17 those of the children.
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) * _PER_TICK_S
