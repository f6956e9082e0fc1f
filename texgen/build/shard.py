"""One shard, from photographs to a finished tar and its record."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from texgen.build.retry_failed import EarlierShard
from texgen.core.concurrency import ordered_map
from texgen.core.config import DatasetConfig, Part
from texgen.core.errors import ImageError, ImageMemoryError, SampleError
from texgen.core.identity import code_identity
from texgen.core.keys import texture_key
from texgen.core.layout import record_path, shard_path
from texgen.core.seeds import texture_seed
from texgen.core.types import ImageEntry, Pixels, Row, ShardPlan, ShardRecord, Timings
from texgen.dataset.records import encode_record
from texgen.dataset.shards import ShardWriter, sample_json
from texgen.source import Source, SourceSpec
from texgen.source.decode import decode
from texgen.storage import Sink
from texgen.synthesis import EnginePool, EngineSpec, Job, Texture
from texgen.synthesis.job import make_job
from texgen.synthesis.patches import PatchRule

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
        part: The part of the build that gives it out, None for the whole.
        retry: Whether only failed rows are made: the shard's other textures are there.
        s3_endpoint: URL of an S3-compatible store that OUT is in; None is Amazon's. SRC's is in
            ``source``.
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
    part: Part | None = None
    retry: bool = False
    s3_endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row whose texture an earlier run has made."""

    row: Row
    encoded: bytes


OnProgress = Callable[[int, int], None]
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
    task: ShardTask, pool: EnginePool, source: Source, sink: Sink, progress: OnProgress
) -> ShardRecord:
    """Makes one shard; its record is written last.

    Raises:
        SourceChangedError: If a photograph is not what was planned.
        SourceReadError: If the storage of a photograph failed.
        EngineStartError: If no engine can be started.
        LimitError: If the machine has too little of something, memory for an image for one.
        StorageError: If the shard cannot be written.
    """
    started = time.monotonic()
    clock = _Clock()
    plan, config = task.shard, task.config
    path = shard_path(plan.split, plan.index)
    # Attempts at one shard may overlap, on one machine or several.
    part = sink.scratch() / f"{plan.name}.{socket.gethostname()}-{os.getpid()}-{task.attempt}.part"
    rows: list[Row] = []
    failed = kept = 0
    try:
        with ShardWriter(part, path, config.format) as writer:
            earlier = EarlierShard(plan, task.fingerprint, sink) if task.retry else None
            for sample, result in pool.map(_samples(task, source, earlier, clock)):
                rows.append(_finish(sample, result, writer, config, clock))
                failed += rows[-1].member is None
                kept += isinstance(sample, _Kept)
                progress(len(rows), failed)
        replace_old = task.retry or not task.engine.deterministic
        sink.commit(part, path, writer.sha256, replace=replace_old)
    finally:
        part.unlink(missing_ok=True)
    code = code_identity()
    record = ShardRecord(
        plan.split,
        plan.index,
        writer.size,
        writer.sha256,
        len(rows),
        failed,
        task.fingerprint,
        Timings(time.monotonic() - started, **asdict(clock), ended=time.time()),
        kept,
        code.version,
        code.digest,
    )
    sink.write(record_path(plan.split, plan.index), encode_record(record, rows))
    return record


_Sample = Row | _Kept


@dataclass(frozen=True, slots=True)
class _Image:
    """A photograph of the shard.

    Attributes:
        entry: As planned.
        drafts: The rows of its textures.
        kept: Those of them that an earlier run has made, by key.
    """

    entry: ImageEntry
    drafts: tuple[Row, ...]
    kept: dict[str, _Kept]


def _samples(
    task: ShardTask, source: Source, earlier: EarlierShard | None, clock: _Clock
) -> Iterator[tuple[_Sample, Job | None]]:
    """Every texture of the shard, as an unfinished row and the engine's job."""

    def read(image: _Image) -> tuple[_Image, bytes | ImageError]:
        return image, _read(image, source)

    # While engines are at work on others: storage far away takes as long as they do.
    images = ordered_map(read, _images(task, earlier), source.parallel)
    while (found := _next(images, clock)) is not None:
        yield from _image_samples(*found, task.config, clock)


def _images(task: ShardTask, earlier: EarlierShard | None) -> Iterator[_Image]:
    left = task.shard.rows
    first = task.shard.first_texture
    for entry in task.shard.entries:
        last = min(task.config.textures_per_image, first + left)
        drafts = tuple(_draft(entry, index, task.config) for index in range(first, last))
        yield _Image(entry, drafts, _kept(drafts, earlier))
        left -= last - first
        first = 0


def _draft(entry: ImageEntry, index: int, config: DatasetConfig) -> Row:
    seed = texture_seed(config.seed, entry.key, index)
    return Row(texture_key(entry.key, index), entry, index, seed)


def _kept(drafts: Iterable[Row], earlier: EarlierShard | None) -> dict[str, _Kept]:
    if earlier is None:
        return {}
    found = ((draft, earlier.take(draft.key)) for draft in drafts)
    return {d.key: _Kept(replace(d, geometry=made[0]), made[1]) for d, made in found if made}


def _read(image: _Image, source: Source) -> bytes | ImageError:
    """Once for all textures of a photograph, and not at all where every one is there."""
    if len(image.kept) == len(image.drafts):
        return b""
    try:
        return source.read(image.entry)
    except ImageError as error:
        return error


def _next(
    images: Iterator[tuple[_Image, bytes | ImageError]], clock: _Clock
) -> tuple[_Image, bytes | ImageError] | None:
    started = time.monotonic()
    found = next(images, None)
    clock.decode_s += time.monotonic() - started
    return found


def _image_samples(
    image: _Image, data: bytes | ImageError, config: DatasetConfig, clock: _Clock
) -> Iterator[tuple[_Sample, Job | None]]:
    pixels: Pixels | ImageError | None = None
    for draft in image.drafts:
        if draft.key in image.kept:
            yield image.kept[draft.key], None
            continue
        if pixels is None:
            pixels = _decode(image.entry, data, config, clock)
        if isinstance(pixels, ImageError):
            yield replace(draft, error=pixels.reason), None
        else:
            yield _with_job(draft, pixels, config)


def _with_job(draft: Row, image: Pixels, config: DatasetConfig) -> tuple[Row, Job]:
    rule = PatchRule(config.patch_size, config.small_patch_size)
    job, boxes = make_job(
        draft.key, image, draft.seed, rule, config.size, config.format, config.quality
    )
    return replace(draft, geometry=boxes), job


def _decode(
    entry: ImageEntry, data: bytes | ImageError, config: DatasetConfig, clock: _Clock
) -> Pixels | ImageError:
    started = time.monotonic()
    try:
        if isinstance(data, ImageError):
            raise data
        return decode(data, config.max_pixels)
    except ImageError as error:
        _log.warning("%s: %s", entry.source, error)
        return error
    except ImageMemoryError as error:
        raise ImageMemoryError(error.width, error.height, entry.source) from error
    finally:
        clock.decode_s += time.monotonic() - started


def _finish(
    sample: _Sample,
    result: Texture | SampleError | None,
    writer: ShardWriter,
    config: DatasetConfig,
    clock: _Clock,
) -> Row:
    if isinstance(sample, _Kept):
        return _written(sample.row, sample.encoded, writer, config)
    if result is None:
        return sample
    if isinstance(result, SampleError):
        _log.warning("%s: %s", sample.key, result)
        return replace(sample, error=result.reason)
    clock.schedule_s += result.schedule_s
    clock.load_s += result.load_s
    clock.synthesis_s += result.synthesis_s
    clock.encoding_s += result.encoding_s
    return _written(sample, result.encoded, writer, config)


def _written(row: Row, encoded: bytes, writer: ShardWriter, config: DatasetConfig) -> Row:
    provenance = sample_json(row, config.engine.name, config.engine.version)
    return replace(row, member=writer.add(row.key, row.entry.label, provenance, encoded))
