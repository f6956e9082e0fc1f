"""One shard, from photographs to a finished tar and its record."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

from texgen.config import DatasetConfig
from texgen.errors import ImageError, SampleError
from texgen.images import decode
from texgen.keys import texture_key
from texgen.patches import cut_patches, mirror_to_minimum, patch_geometry
from texgen.records import encode_record, record_path
from texgen.seeds import texture_seed
from texgen.shards import ShardWriter, sample_json
from texgen.source import Source, SourceSpec
from texgen.storage import Sink
from texgen.synthesize import EnginePool, EngineSpec, Job, Texture
from texgen.types import (
    Geometry,
    ImageEntry,
    Pixels,
    Row,
    ShardPlan,
    ShardRecord,
    Timings,
    shard_path,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardTask:
    """All that a process anywhere needs to make one shard.

    Attributes:
        shard: What the shard holds.
        attempt: 1 for the first time that the shard is given out.
        config: Of the data set.
        fingerprint: Of the build.
        source: SRC.
        out: OUT.
        engine: The engine.
        engines: Engine processes that this shard may use.
        sample_timeout_s: For one texture.
        sample_retries: Further tries after an engine process failed.
    """

    shard: ShardPlan
    attempt: int
    config: DatasetConfig
    fingerprint: str
    source: SourceSpec
    out: str
    engine: EngineSpec
    engines: int
    sample_timeout_s: float
    sample_retries: int


Progress = Callable[[int, int], None]
"""Called with the textures done so far and those among them that failed."""


@dataclass(slots=True)
class _Clock:
    """Seconds spent so far; the one mutable thing that goes through a shard."""

    decode_s: float = 0.0
    schedule_s: float = 0.0
    load_s: float = 0.0
    synthesis_s: float = 0.0
    encoding_s: float = 0.0


def generate_shard(
    task: ShardTask, pool: EnginePool, source: Source, sink: Sink, progress: Progress
) -> ShardRecord:
    """Makes one shard; its record is written last.

    Raises:
        SourceChangedError: If a photograph is not what was planned.
        SourceReadError: If the storage of a photograph failed.
        EngineStartError: If no engine can be started.
        StorageError: If the shard cannot be written.
    """
    started = time.monotonic()
    clock = _Clock()
    plan, config = task.shard, task.config
    path = shard_path(plan.split, plan.index)
    # Attempts at one shard may overlap, on one machine or several.
    part = sink.scratch() / f"{plan.name}.{socket.gethostname()}-{os.getpid()}-{task.attempt}.part"
    rows: list[Row] = []
    failed = 0
    try:
        with ShardWriter(part, path, config.format) as writer:
            for row, result in pool.map(_samples(task, source, clock)):
                rows.append(_finish(row, result, writer, config, clock))
                failed += rows[-1].member is None
                progress(len(rows), failed)
        sink.commit(part, path, writer.sha256, replace=not task.engine.deterministic)
    finally:
        part.unlink(missing_ok=True)
    record = ShardRecord(
        plan.split,
        plan.index,
        writer.size,
        writer.sha256,
        len(rows),
        failed,
        task.fingerprint,
        Timings(time.monotonic() - started, **asdict(clock)),
    )
    sink.write(record_path(plan.split, plan.index), encode_record(record, rows))
    return record


def _samples(task: ShardTask, source: Source, clock: _Clock) -> Iterator[tuple[Row, Job | None]]:
    """Every texture of the shard, as an unfinished row and the engine's job."""
    left = task.shard.rows
    first = task.shard.first_texture
    for entry in task.shard.entries:
        last = min(task.config.textures_per_image, first + left)
        yield from _image_samples(entry, range(first, last), task.config, source, clock)
        left -= last - first
        first = 0


def _image_samples(
    entry: ImageEntry, indices: range, config: DatasetConfig, source: Source, clock: _Clock
) -> Iterator[tuple[Row, Job | None]]:
    seeds = [texture_seed(config.seed, entry.key, index) for index in indices]
    drafts = [
        Row(texture_key(entry.key, index), entry, index, seed)
        for index, seed in zip(indices, seeds, strict=True)
    ]
    image = _read(entry, config, source, clock)
    if isinstance(image, ImageError):
        yield from ((replace(draft, error=image.reason), None) for draft in drafts)
        return
    height, width = image.shape[:2]
    for draft in drafts:
        boxes = _boxes(width, height, draft.seed, config)
        patches = cut_patches(image, boxes)
        examples = (mirror_to_minimum(patches.center), mirror_to_minimum(patches.random))
        job = Job(draft.key, examples, config.size, draft.seed, config.format, config.quality)
        yield replace(draft, geometry=boxes), job


def _read(
    entry: ImageEntry, config: DatasetConfig, source: Source, clock: _Clock
) -> Pixels | ImageError:
    started = time.monotonic()
    try:
        return decode(source.read(entry), config.max_pixels)
    except ImageError as error:
        _log.warning("%s: %s", entry.source, error)
        return error
    finally:
        clock.decode_s += time.monotonic() - started


def _boxes(width: int, height: int, seed: int, config: DatasetConfig) -> Geometry:
    return patch_geometry(
        width,
        height,
        seed,
        patch_size=config.patch_size,
        small_patch_size=config.small_patch_size,
    )


def _finish(
    row: Row,
    result: Texture | SampleError | None,
    writer: ShardWriter,
    config: DatasetConfig,
    clock: _Clock,
) -> Row:
    if result is None:
        return row
    if isinstance(result, SampleError):
        _log.warning("%s: %s", row.key, result)
        return replace(row, error=result.reason)
    clock.schedule_s += result.schedule_s
    clock.load_s += result.load_s
    clock.synthesis_s += result.synthesis_s
    clock.encoding_s += result.encoding_s
    provenance = sample_json(row, config.engine.name, config.engine.version)
    return replace(row, member=writer.add(row.key, row.entry.label, provenance, result.encoded))
