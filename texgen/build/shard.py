"""One shard, from images to a finished tar and its record."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from texgen.build.plan import BuildRequest
from texgen.build.retry_failed import EarlierShard, KeptTexture
from texgen.core.concurrency import ordered_map
from texgen.core.config import CPU
from texgen.core.cpus import available_cpus
from texgen.core.decode import decode
from texgen.core.errors import ImageError, ImageMemoryError, SampleError
from texgen.core.identity import code_identity
from texgen.core.keys import texture_key
from texgen.core.layout import record_path, shard_path
from texgen.core.seeds import texture_seed
from texgen.core.types import ImageEntry, Pixels, Row, ShardPlan, ShardRecord, Timings
from texgen.dataset.records import encode_record
from texgen.dataset.shards import ShardWriter, sample_json
from texgen.source import Source
from texgen.storage import Sink
from texgen.synthesis import EnginePool, Job, Texture
from texgen.synthesis.patches import PatchRule, make_job
from texgen.synthesis.protocol import STEPS

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

    @property
    def device(self) -> str:
        """What makes the textures, ``cpu`` or ``gpu``."""
        return self.request.options.device

    def on(self, device: str) -> ShardTask:
        """Returns the task with another device."""
        options = replace(self.request.options, device=device)
        return replace(self, request=replace(self.request, options=options))


def generate_shard(
    task: ShardTask,
    pool: EnginePool,
    source: Source,
    sink: Sink,
    on_progress: Callable[[int, int], None],
) -> ShardRecord:
    """Makes one shard; its record is written last.

    After each texture ``on_progress`` is called with the number of textures done or failed, and
    with the number of those that failed.

    Raises:
        SourceChangedError: If an image is not as planned.
        SourceReadError: If the storage of an image failed.
        EngineStartError: If no engine can be started.
        LimitError: If a limit of the machine is reached, such as its memory.
        StorageError: If the shard cannot be written.
    """
    started = time.monotonic()
    plan = task.shard
    path = shard_path(plan.split, plan.index)
    # Attempts at one shard may overlap, on one machine or on several.
    part = sink.scratch() / f"{plan.name}.{socket.gethostname()}-{os.getpid()}-{task.attempt}.part"
    rows: list[Row] = []
    failed = kept = 0
    # An engine that is not deterministic makes other bytes than an unfinished attempt left.
    replace_old = task.retry or not task.request.engine.deterministic
    try:
        with ShardWriter(part, path, task.request.config.format) as writer:
            earlier = EarlierShard(plan, task.fingerprint, sink) if task.retry else None
            samples = _Samples(task, source, earlier)
            for sample, result in pool.map(samples.with_jobs()):
                rows.append(samples.finish(sample, result, writer))
                failed += rows[-1].member is None
                kept += isinstance(sample, KeptTexture)
                on_progress(len(rows), failed)
        sink.commit(part, path, writer.sha256, replace=replace_old)
    finally:
        part.unlink(missing_ok=True)
    timings = Timings(time.monotonic() - started, **samples.spent, ended=time.time())
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


_Sample = Row | KeptTexture
"""A texture before its job is done: its unfinished row, or what an earlier run made."""

_Image = tuple[ImageEntry, list[_Sample]]
"""An image of the shard and its textures."""


class _Samples:
    """The samples of one shard, from reading their images to the rows of their textures.

    Textures of an earlier run are copied.

    Attributes:
        spent: Seconds spent so far, by the field of `Timings` that counts them.
    """

    def __init__(self, task: ShardTask, source: Source, earlier: EarlierShard | None) -> None:
        self._shard = task.shard
        self._config = task.request.config
        self._engine = task.request.engine
        self._source = source
        self._earlier = earlier
        self.spent: dict[str, float] = defaultdict(float)

    def with_jobs(self) -> Iterator[tuple[_Sample, Job | None]]:
        """Every sample, with the engine's job where it needs one."""
        # Images are read ahead while engines work: remote storage takes as long as they do. A GPU
        # works faster than one thread decodes, and its processors have little else to do.
        threads = self._source.parallel
        read = self._read
        if self._engine.device != CPU:
            threads = max(threads, available_cpus())
            read = self._read_and_decode
        images = ordered_map(read, self._images(), threads)
        while True:
            with self._timed_decoding():
                image_and_data = next(images, None)
                if image_and_data is None:
                    return
                image, data = image_and_data
                pixels = self._decode(image[0], data) if isinstance(data, bytes) else data
            yield from self._image_samples(image, pixels)

    def _images(self) -> Iterator[_Image]:
        left, first = self._shard.rows, self._shard.first_texture
        for entry in self._shard.entries:
            last = min(self._config.textures_per_image, first + left)
            yield entry, [self._sample(entry, index) for index in range(first, last)]
            left -= last - first
            first = 0

    def _sample(self, entry: ImageEntry, index: int) -> _Sample:
        seed = texture_seed(self._config.seed, entry.key, index)
        draft = Row(texture_key(entry.key, index), entry, index, seed)
        return (self._earlier and self._earlier.take(draft)) or draft

    def _read(self, image: _Image) -> tuple[_Image, bytes | Pixels | ImageError | None]:
        """Adds an image's bytes, or why it has none; none are read where all textures are kept."""
        entry, samples = image
        if all(isinstance(sample, KeptTexture) for sample in samples):
            return image, None
        try:
            return image, self._source.read(entry)
        except ImageError as error:
            _log.warning("%s: %s", entry.source, error)
            return image, error

    def _read_and_decode(self, image: _Image) -> tuple[_Image, Pixels | ImageError | None]:
        """Adds an image's pixels instead of its bytes."""
        _, data = self._read(image)
        return image, self._decode(image[0], data) if isinstance(data, bytes) else data

    def _image_samples(
        self, image: _Image, pixels: Pixels | ImageError | None
    ) -> Iterator[tuple[_Sample, Job | None]]:
        for sample in image[1]:
            if isinstance(sample, KeptTexture):
                yield sample, None
            elif isinstance(pixels, ImageError):
                yield replace(sample, error=pixels.reason), None
            elif pixels is not None:
                yield self._with_job(sample, pixels)

    def _with_job(self, draft: Row, image: Pixels) -> tuple[Row, Job]:
        config = self._config
        rule = PatchRule(config.patch_size, config.small_patch_size)
        job, boxes = make_job(
            draft.key, image, draft.seed, rule, config.size, config.format, config.quality
        )
        return replace(draft, geometry=boxes), job

    def _decode(self, entry: ImageEntry, data: bytes) -> Pixels | ImageError:
        try:
            return decode(data, self._config.max_pixels)
        except ImageError as error:
            _log.warning("%s: %s", entry.source, error)
            return error
        except ImageMemoryError as error:
            raise ImageMemoryError(error.width, error.height, entry.source) from error

    @contextlib.contextmanager
    def _timed_decoding(self) -> Iterator[None]:
        """Counts the time as decoding, which includes the wait for an image's bytes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.spent["decode_s"] += time.monotonic() - started

    def finish(
        self, sample: _Sample, result: Texture | SampleError | None, writer: ShardWriter
    ) -> Row:
        """Writes a sample's texture, if it has one, and returns its finished row."""
        if isinstance(sample, KeptTexture):
            return self._written(sample.row, sample.encoded, writer)
        if result is None:
            return sample
        if isinstance(result, SampleError):
            _log.warning("%s: %s", sample.key, result)
            return replace(sample, error=result.reason)
        for step in STEPS:
            self.spent[step] += getattr(result, step)
        return self._written(sample, result.encoded, writer)

    def _written(self, row: Row, encoded: bytes, writer: ShardWriter) -> Row:
        provenance = sample_json(row, self._config.engine.name, self._config.engine.version)
        return replace(row, member=writer.add(row.key, row.entry.label, provenance, encoded))
