"""Cost of a planned build, estimated from a sample of its images and textures."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from texgen.build.bench_engines import process_time_s
from texgen.core.config import DatasetConfig, sample_timeout_s
from texgen.core.decode import decode
from texgen.core.errors import ImageError
from texgen.core.seeds import texture_seed
from texgen.core.types import ImageEntry, Pixels, Row
from texgen.dataset.shards import END_BYTES, END_BYTES_SPREAD, sample_bytes, sample_json
from texgen.source import Source
from texgen.synthesis import EngineSpec, Job
from texgen.synthesis.patches import PatchRule, make_job
from texgen.synthesis.process import EngineProcess, running_engine
from texgen.synthesis.protocol import Texture

_LEAST = 4
"""Number of textures that are made however long they take."""


@dataclass(slots=True)
class Estimate:
    """Cost of a sample.

    Attributes:
        images: Number of images tried.
        unreadable: Source and reason of each image that cannot be read.
        small: Number of images that are too small for ``--patch-size``.
        decode_s: Processor time to read and decode each image, s.
        texture_s: Processor time of the engine process for each texture, s. Encoding is
            included, the schedules that a process makes once are not.
        texture_bytes: Bytes of each texture's sample in its shard.
    """

    images: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    small: int = 0
    decode_s: list[float] = field(default_factory=list)
    texture_s: list[float] = field(default_factory=list)
    texture_bytes: list[int] = field(default_factory=list)

    def core_s(self, images: int, textures: int) -> float | None:
        """Processor time for so many images and textures, s; None if no texture was made."""
        if not textures:
            return 0.0
        if not self.texture_s:
            return None
        each = statistics.fmean(self.texture_s)
        return images * statistics.fmean(self.decode_s) + textures * each

    def bytes(self, textures: int, shards: int) -> tuple[float, float] | None:
        """Bytes of so many textures in so many shards, with standard error; None if unknown."""
        if not textures:
            return 0.0, 0.0
        if len(self.texture_bytes) < 2:
            return None
        total = textures * statistics.fmean(self.texture_bytes) + shards * END_BYTES
        spread = textures * statistics.stdev(self.texture_bytes) / len(self.texture_bytes) ** 0.5
        # Shards of similar size are padded alike, so that their spreads do not average out.
        return total, math.hypot(spread, shards * END_BYTES_SPREAD)


def estimate(
    entries: Sequence[ImageEntry],
    source: Source,
    config: DatasetConfig,
    engine: EngineSpec,
    budget_s: float,
) -> Estimate:
    """Reads a sample of the planned images, and makes textures of them.

    It makes four in any case, and more until the wall clock of ``budget_s`` seconds is spent.

    Raises:
        EngineStartError: If the engine cannot be started.
        SampleError: If the engine makes no texture of an image.
        SourceError: If an image has changed since it was listed.
    """
    result = Estimate()
    with running_engine(engine) as process:
        started = time.monotonic()
        # Shuffled, so that an early end does not favour the first classes.
        for entry in random.Random(0).sample(entries, len(entries)):  # noqa: S311
            image = _decode(entry, source, config, result)
            over = time.monotonic() - started > budget_s
            if image is not None and not (over and len(result.texture_s) >= _LEAST):
                _make(entry, image, process, config, result)
    return result


def _decode(
    entry: ImageEntry, source: Source, config: DatasetConfig, result: Estimate
) -> Pixels | None:
    result.images += 1
    started = time.process_time()
    try:
        image = decode(source.read(entry), config.max_pixels)
    except ImageError as error:
        result.unreadable.append((entry.source, error.reason))
        return None
    result.decode_s.append(time.process_time() - started)
    result.small += min(image.shape[:2]) < config.patch_size
    return image


def _make(
    entry: ImageEntry,
    image: Pixels,
    process: EngineProcess,
    config: DatasetConfig,
    result: Estimate,
) -> None:
    seed = texture_seed(config.seed, entry.key, 0)
    rule = PatchRule(config.patch_size, config.small_patch_size)
    job, boxes = make_job(entry.key, image, seed, rule, config.size, config.format, config.quality)
    texture, spent_s = _ask(job, process)
    if texture.schedule_s:
        # This one made the schedules that later textures of the process share: time another.
        texture, spent_s = _ask(job, process)
    result.texture_s.append(spent_s)
    row = Row(entry.key, entry, 0, seed, geometry=boxes)
    provenance = sample_json(row, config.engine.name, config.engine.version)
    result.texture_bytes.append(
        sample_bytes(entry.key, entry.label, provenance, texture.encoded, config.format)
    )


def _ask(job: Job, process: EngineProcess) -> tuple[Texture, float]:
    """A texture, and the processor time that it took, s."""
    before = process_time_s(process.pid)
    texture = process.ask(job, sample_timeout_s(job.size))
    return texture, process_time_s(process.pid) - before


def wall_s(core_s: float, shards: int, cores: int, here: int) -> float:
    """Wall clock that a build takes on ``cores`` cores, s.

    Args:
        core_s: Processor time of the build, s.
        shards: Number of shards. A core makes one shard at a time; only cores of one machine
            share a shard.
        cores: Number of cores, at least 1.
        here: Number of cores of one machine.
    """
    return core_s / min(cores, max(shards, here, 1))
