"""One shard, from images to a finished tar and its record."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from texgen.build.plan import BuildRequest
from texgen.build.retry_failed import EarlierShard
from texgen.core.concurrency import ordered_map
from texgen.core.config import DatasetConfig
from texgen.core.errors import ImageError, ImageMemoryError, SampleError
from texgen.core.identity import code_identity
from texgen.core.keys import texture_key
from texgen.core.layout import record_path, shard_path
from texgen.core.seeds import texture_seed
from texgen.core.types import ImageEntry, Pixels, Row, ShardPlan, ShardRecord, Timings
from texgen.dataset.records import encode_record
from texgen.dataset.shards import ShardWriter, sample_json
from texgen.source import Source
from texgen.source.decode import decode
from texgen.storage import Sink
from texgen.synthesis import EnginePool, Job, Texture
from texgen.synthesis.job import make_job
from texgen.synthesis.patches import PatchRule

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardTask:
    """All that a process on any machine needs to make one shard.

    Attributes:
        shard: Plan of the shard.
        attempt: Number of the attempt, from 1.
        request: What `texgen build` is asked for.
        fingerprint: Fingerprint of the build.
        engines: Number of engine processes that this shard may use.
        retry: Whether only failed rows are made, and the other textures are copied.
    """

    shard: ShardPlan
    attempt: int
    request: BuildRequest
    fingerprint: str
    engines: int
    retry: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row whose texture an earlier run made, and the bytes of the texture's file."""

    row: Row
    encoded: bytes


@dataclass(slots=True)
class _Clock:
    """Seconds spent so far; the only mutable state that is passed through a shard."""

    decode_s: float = 0.0
    schedule_s: float = 0.0
    load_s: float = 0.0
    synthesis_s: float = 0.0
    encoding_s: float = 0.0


def generate_shard(
    task: ShardTask,
    pool: EnginePool,
    source: Source,
    sink: Sink,
    on_progress: Callable[[int, int], None],
) -> ShardRecord:
    """Makes one shard; its record is written last.

    Args:
        task: The shard and all settings.
        pool: Engines that make the textures.
        source: SRC, opened.
        sink: OUT, opened.
        on_progress: Called after each texture with the number of textures done or failed, and
            with the number of those that failed.

    Raises:
        SourceChangedError: If an image is not as planned.
        SourceReadError: If the storage of an image failed.
        EngineStartError: If no engine can be started.
        LimitError: If a limit of the machine is reached, such as its memory.
        StorageError: If the shard cannot be written.
    """
    started = time.monotonic()
    clock = _Clock()
    plan, config = task.shard, task.request.config
    path = shard_path(plan.split, plan.index)
    # Attempts at one shard may overlap, on one machine or on several.
    part = sink.scratch() / f"{plan.name}.{socket.gethostname()}-{os.getpid()}-{task.attempt}.part"
    rows: list[Row] = []
    failed = kept = 0
    # An engine that is not deterministic makes other bytes than an unfinished attempt left.
    replace_old = task.retry or not task.request.engine.deterministic
    try:
        with ShardWriter(part, path, config.format) as writer:
            earlier = EarlierShard(plan, task.fingerprint, sink) if task.retry else None
            for sample, result in pool.map(_samples(task, source, earlier, clock)):
                rows.append(_finish(sample, result, writer, config, clock))
                failed += rows[-1].member is None
                kept += isinstance(sample, _Kept)
                on_progress(len(rows), failed)
        sink.commit(part, path, writer.sha256, replace=replace_old)
    finally:
        part.unlink(missing_ok=True)
    timings = Timings(time.monotonic() - started, **asdict(clock), ended=time.time())
    record = _record(task, writer, rows, kept, timings)
    sink.write(record_path(plan.split, plan.index), encode_record(record, rows))
    return record


def _record(
    task: ShardTask, writer: ShardWriter, rows: list[Row], kept: int, timings: Timings
) -> ShardRecord:
    code = code_identity()
    return ShardRecord(
        split=task.shard.split,
        index=task.shard.index,
        size=writer.size,
        sha256=writer.sha256,
        rows=len(rows),
        failed=sum(row.member is None for row in rows),
        fingerprint=task.fingerprint,
        timings=timings,
        kept=kept,
        texgen=code.version,
        code=code.digest,
    )


_Sample = Row | _Kept


@dataclass(frozen=True, slots=True)
class _Image:
    """An image of the shard.

    Attributes:
        entry: The image as planned.
        drafts: Unfinished rows of its textures.
        kept: Rows among them that an earlier run has made, by key.
    """

    entry: ImageEntry
    drafts: tuple[Row, ...]
    kept: dict[str, _Kept]


def _samples(
    task: ShardTask, source: Source, earlier: EarlierShard | None, clock: _Clock
) -> Iterator[tuple[_Sample, Job | None]]:
    """Every texture of the shard: its unfinished row, and the engine's job where it needs one."""

    def read(image: _Image) -> tuple[_Image, bytes | ImageError]:
        return image, _read(image, source)

    # Images are read ahead while engines work: remote storage takes as long as they do.
    images = ordered_map(read, _images(task, earlier), source.parallel)
    while (image_and_data := _next_image(images, clock)) is not None:
        yield from _image_samples(*image_and_data, task.request.config, clock)


def _images(task: ShardTask, earlier: EarlierShard | None) -> Iterator[_Image]:
    config = task.request.config
    left = task.shard.rows
    first = task.shard.first_texture
    for entry in task.shard.entries:
        last = min(config.textures_per_image, first + left)
        drafts = tuple(_draft(entry, index, config) for index in range(first, last))
        yield _Image(entry, drafts, _kept(drafts, earlier))
        left -= last - first
        first = 0


def _draft(entry: ImageEntry, index: int, config: DatasetConfig) -> Row:
    seed = texture_seed(config.seed, entry.key, index)
    return Row(texture_key(entry.key, index), entry, index, seed)


def _kept(drafts: Iterable[Row], earlier: EarlierShard | None) -> dict[str, _Kept]:
    if earlier is None:
        return {}
    textures = ((draft, earlier.take(draft.key)) for draft in drafts)
    return {
        draft.key: _Kept(replace(draft, geometry=texture[0]), texture[1])
        for draft, texture in textures
        if texture
    }


def _read(image: _Image, source: Source) -> bytes | ImageError:
    """Bytes of an image, or why it has none; nothing is read where all its textures are kept."""
    if len(image.kept) == len(image.drafts):
        return b""
    try:
        return source.read(image.entry)
    except ImageError as error:
        return error


def _next_image(
    images: Iterator[tuple[_Image, bytes | ImageError]], clock: _Clock
) -> tuple[_Image, bytes | ImageError] | None:
    started = time.monotonic()
    image_and_data = next(images, None)
    clock.decode_s += time.monotonic() - started
    return image_and_data


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
