"""What a planned build will take, from a sample of its photographs and textures."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from texgen.build.bench_engines import process_time_s
from texgen.core.config import DatasetConfig, sample_timeout_s
from texgen.core.errors import ImageError
from texgen.core.seeds import texture_seed
from texgen.core.types import ImageEntry, Pixels, Row
from texgen.dataset.shards import END_BYTES, END_BYTES_SPREAD, sample_bytes, sample_json
from texgen.source import Source
from texgen.source.decode import decode
from texgen.synthesis import EngineSpec, Job
from texgen.synthesis.job import make_job
from texgen.synthesis.patches import PatchRule
from texgen.synthesis.process import EngineProcess, running_engine
from texgen.synthesis.protocol import Texture

_LEAST = 4
"""Textures that are made however long they take."""


@dataclass(slots=True)
class Estimate:
    """What a sample took.

    Attributes:
        photographs: Photographs tried.
        unreadable: Those that cannot be read: source and reason.
        small: Those too small for ``--patch-size``.
        decode_s: Processor time to read and decode each, s.
        texture_s: Processor time of the engine process for each texture, encoding in it
            and what it makes once a process not, s.
        texture_bytes: Size of each texture with what it takes up in its shard beside it.
    """

    photographs: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    small: int = 0
    decode_s: list[float] = field(default_factory=list)
    texture_s: list[float] = field(default_factory=list)
    texture_bytes: list[int] = field(default_factory=list)

    def core_s(self, images: int, textures: int) -> float | None:
        """Processor seconds for so many images and textures; None if none could be made."""
        if not textures:
            return 0.0
        if not self.texture_s:
            return None
        each = statistics.fmean(self.texture_s)
        return images * statistics.fmean(self.decode_s) + textures * each

    def bytes(self, textures: int, shards: int) -> tuple[float, float] | None:
        """Bytes of so many shards with so many textures, and the standard error of that."""
        if not textures:
            return 0.0, 0.0
        if len(self.texture_bytes) < 2:
            return None
        whole = textures * statistics.fmean(self.texture_bytes) + shards * END_BYTES
        spread = textures * statistics.stdev(self.texture_bytes) / len(self.texture_bytes) ** 0.5
        # Shards of like size are padded alike, so that these do not even out.
        return whole, math.hypot(spread, shards * END_BYTES_SPREAD)


def estimate(
    entries: Sequence[ImageEntry],
    source: Source,
    config: DatasetConfig,
    engine: EngineSpec,
    budget_s: float,
) -> Estimate:
    """Reads the photographs, and makes textures of them until the budget is spent.

    Args:
        entries: A sample of the planned photographs.
        source: Of them.
        config: Of the data set.
        engine: The one that makes it.
        budget_s: Wall clock for making textures, s; four are made in any case.

    Raises:
        EngineStartError: If the engine cannot be started.
        SampleError: If it makes no texture.
        SourceError: If a photograph has changed since it was listed.
    """
    found = Estimate()
    with running_engine(engine) as process:
        started = time.monotonic()
        # Not in the order of their classes, so that an early end is no bias.
        for entry in random.Random(0).sample(entries, len(entries)):  # noqa: S311
            image = _decoded(entry, source, config, found)
            over = time.monotonic() - started > budget_s
            if image is not None and not (over and len(found.texture_s) >= _LEAST):
                _make(entry, image, process, config, found)
    return found


def _decoded(
    entry: ImageEntry, source: Source, config: DatasetConfig, found: Estimate
) -> Pixels | None:
    found.photographs += 1
    started = time.process_time()
    try:
        image = decode(source.read(entry), config.max_pixels)
    except ImageError as error:
        found.unreadable.append((entry.source, error.reason))
        return None
    found.decode_s.append(time.process_time() - started)
    found.small += min(image.shape[:2]) < config.patch_size
    return image


def _make(
    entry: ImageEntry,
    image: Pixels,
    process: EngineProcess,
    config: DatasetConfig,
    found: Estimate,
) -> None:
    seed = texture_seed(config.seed, entry.key, 0)
    rule = PatchRule(config.patch_size, config.small_patch_size)
    job, boxes = make_job(entry.key, image, seed, rule, config.size, config.format, config.quality)
    texture, spent_s = _ask(job, process)
    if texture.schedule_s:
        # The first textures of a process pay for what the others use too: once more, without.
        texture, spent_s = _ask(job, process)
    found.texture_s.append(spent_s)
    row = Row(entry.key, entry, 0, seed, geometry=boxes)
    about = sample_json(row, config.engine.name, config.engine.version)
    found.texture_bytes.append(
        sample_bytes(entry.key, entry.label, about, texture.encoded, config.format)
    )


def _ask(job: Job, process: EngineProcess) -> tuple[Texture, float]:
    """A texture, and the processor time of it, s."""
    before = process_time_s(process.pid)
    texture = process.ask(job, sample_timeout_s(job.size))
    return texture, process_time_s(process.pid) - before


def wall_s(core_s: float, shards: int, cores: int, here: int) -> float:
    """Time that ``cores`` take, s.

    Args:
        core_s: Processor time of the whole.
        shards: Number of shards. A core is at one at a time; only those of one machine
            share a shard.
        cores: At least 1.
        here: Cores of one machine.
    """
    return core_s / min(cores, max(shards, here, 1))
