"""The plan of a build: images are listed and dealt out to shards in one pass."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from texgen.build.conflicts import find_conflicts
from texgen.build.overwrite import delete_dataset
from texgen.core.config import DatasetConfig, RunOptions
from texgen.core.errors import ConfigError, SourceError
from texgen.core.fingerprint import SourceDigest
from texgen.core.types import ImageEntry
from texgen.dataset.plan import PLAN_SCHEMA, Plan, SplitPlan, save_plan
from texgen.source import EXPECTED_FORMS, OnError, Source, SourceSpec, raise_error
from texgen.storage import Sink, scratch_folder, storage_errors
from texgen.synthesis import EngineSpec


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What `texgen build` is asked for.

    Attributes:
        source: Location of SRC, and how it is read.
        out: Location of OUT, a folder or ``s3://bucket/prefix``.
        name: Name of the data set in its card.
        config: Settings that the bytes of the data set depend on.
        options: Settings of the run, which change no byte.
        notes: What is to be said before the build begins, such as which device makes the textures.
    """

    source: SourceSpec
    out: str
    name: str
    config: DatasetConfig
    options: RunOptions
    notes: tuple[str, ...] = ()

    @property
    def engine(self) -> EngineSpec:
        """The engine that makes the textures."""
        return EngineSpec(self.config.engine.name, self.options.engine_bin, self.options.device)


def load_or_create_plan(
    request: BuildRequest, source: Source, sink: Sink, files: Mapping[str, int]
) -> Plan:
    """Plans the build, and writes the plan to OUT, whose ``files`` may hold another build.

    Raises:
        SourceError: If SRC cannot be listed.
        ConfigError: If OUT holds another build, or, with ``--overwrite``, files that texgen did
            not write.
    """
    with scratch_folder(sink.scratch()) as folder:
        plan = make_plan(source, request.config, request.name, folder)
        if request.options.overwrite:
            delete_dataset(sink, files)
        elif conflicts := list(find_conflicts(plan, folder, sink, files)):
            message = (
                f"OUT holds another build: {'; '.join(conflicts)}. "
                "Use the same options and images to resume it, or choose a new OUT"
            )
            if request.options.retry_failed:
                message += "; --retry-failed needs images of which no byte has changed"
            raise ConfigError(message)
        # An equal plan is written again too, since its files may be damaged.
        save_plan(plan, folder, sink)
    return plan


def make_plan(
    source: Source,
    config: DatasetConfig,
    name: str,
    folder: Path,
    on_error: OnError = raise_error,
) -> Plan:
    """Lists the images and deals them out to shards.

    Args:
        source: SRC, opened.
        config: Settings of the data set.
        name: Name of the data set in its card.
        folder: Folder in which ``<split>.arrow`` files are written; the caller commits them.
        on_error: Called with the error where there are no images; by default it is raised.

    Raises:
        SourceError: If SRC cannot be listed.
    """
    splits, notes = [], []
    # `islice` counts no further than this.
    limit = None if config.limit is None else min(config.limit, sys.maxsize)
    for listing in source.splits():
        path = folder / f"{listing.name}.arrow"
        entries = itertools.islice(source.entries(listing), limit)
        images, shards, digest = _write_entries(entries, config, path)
        splits.append(SplitPlan(listing.name, images, shards, listing.classes, digest))
        seen = (*listing.notes, *source.notes(listing))
        notes += [note for note in seen if note not in notes]
    if not any(split.images for split in splits):
        # The notes name what was ignored, which is where the images may be.
        on_error(SourceError("; ".join(["--src holds no images", *notes, EXPECTED_FORMS])))
    notes += [f"split {split.name!r} holds no images" for split in splits if not split.images]
    return Plan(name, config.canonical(), tuple(splits), tuple(notes))


def _write_entries(
    entries: Iterable[ImageEntry], config: DatasetConfig, path: Path
) -> tuple[int, int, str]:
    """Writes a split's entries, shard by shard; returns images, shards and `SourceDigest`."""
    digest = SourceDigest()
    images = shards = 0

    def digested() -> Iterator[ImageEntry]:
        nonlocal images
        for entry in entries:
            digest.add(entry.key, entry.source, entry.size, entry.label)
            images += 1
            yield entry

    with storage_errors("write", path):
        writer = pa.ipc.new_file(str(path), PLAN_SCHEMA)
    for shard in _deal(digested(), config):
        columns = {name: [getattr(entry, name) for entry in shard] for name in PLAN_SCHEMA.names}
        batch = pa.RecordBatch.from_pydict(columns, schema=PLAN_SCHEMA)
        with storage_errors("write", path):
            writer.write_batch(batch)
        shards += 1
    with storage_errors("write", path):
        writer.close()
    return images, shards, digest.hexdigest()


def _deal(entries: Iterable[ImageEntry], config: DatasetConfig) -> Iterator[list[ImageEntry]]:
    """The images of each shard."""
    shard: list[ImageEntry] = []
    rows = 0
    for entry in entries:
        left = config.textures_per_image
        # An image whose textures run over a shard's end is planned in both.
        while left:
            taken = min(left, config.samples_per_shard - rows)
            shard.append(entry)
            left, rows = left - taken, rows + taken
            if rows == config.samples_per_shard:
                yield shard
                shard, rows = [], 0
    if shard:
        yield shard
