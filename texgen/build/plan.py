"""How a plan is made: photographs are listed, and dealt out to shards in one pass."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from texgen.build.conflicts import contradictions
from texgen.build.overwrite import discard
from texgen.core.config import DatasetConfig, RunOptions, SourceDigest
from texgen.core.errors import ConfigError, SourceError
from texgen.core.types import ImageEntry
from texgen.dataset.plan import SCHEMA, Plan, SplitPlan, save_plan
from texgen.source import EXPECTED, OnError, Source, SourceSpec, raise_error
from texgen.storage import Sink, scratch_folder, storage_errors


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What `texgen build` was asked for.

    Attributes:
        source: SRC.
        out: OUT.
        name: The data set's name in its card.
        config: What is made.
        options: How.
    """

    source: SourceSpec
    out: str
    name: str
    config: DatasetConfig
    options: RunOptions


def load_or_create_plan(
    request: BuildRequest, source: Source, sink: Sink, files: Mapping[str, int]
) -> Plan:
    """Plans the build, or finds that OUT's plan is the same.

    Args:
        request: What `texgen build` is asked for.
        source: SRC, opened.
        sink: OUT, opened.
        files: All files of OUT, with their bytes.

    Raises:
        SourceError: If SRC cannot be listed.
        ConfigError: If OUT holds another data set; or, to be thrown away, foreign files.
    """
    with scratch_folder(sink.scratch()) as folder:
        plan = make_plan(source, request.config, request.name, folder)
        if request.options.overwrite:
            discard(sink, files)
        elif changes := list(contradictions(plan, folder, sink, files)):
            message = (
                f"OUT holds another build: {'; '.join(changes)}. "
                "Take the same options and photographs to go on, or build into a new OUT"
            )
            if request.options.retry_failed:
                message += "; --retry-failed is for photographs of which no byte has changed"
            raise ConfigError(message)
        # Over one that is there too: its files may be damaged.
        save_plan(plan, folder, sink)
    return plan


def make_plan(
    source: Source,
    config: DatasetConfig,
    name: str,
    folder: Path,
    problem: OnError = raise_error,
) -> Plan:
    """Lists the photographs and deals them out to shards.

    Args:
        source: SRC.
        config: What is made.
        name: The data set's name in its card.
        folder: Where ``<split>.arrow`` files are written, which the caller commits.
        problem: Called where there are no photographs; without it that is raised.

    Raises:
        SourceError: If SRC cannot be listed.
    """
    splits, notes = [], []
    # No more than `islice` counts to.
    limit = None if config.limit is None else min(config.limit, sys.maxsize)
    for listing in source.splits():
        path = folder / f"{listing.name}.arrow"
        entries = itertools.islice(source.entries(listing), limit)
        images, shards, digest = _write_entries(entries, config, path)
        splits.append(SplitPlan(listing.name, images, shards, listing.classes, digest))
        seen = (*listing.notes, *source.notes(listing))
        notes += [note for note in seen if note not in notes]
    if not any(split.images for split in splits):
        # What was ignored is where the images may be.
        problem(SourceError("; ".join(["--src holds no images", *notes, EXPECTED])))
    notes += [f"split {split.name!r} holds no images" for split in splits if not split.images]
    return Plan(name, config.canonical(), tuple(splits), tuple(notes))


def _write_entries(
    entries: Iterable[ImageEntry], config: DatasetConfig, path: Path
) -> tuple[int, int, str]:
    digest = SourceDigest()
    images = shards = 0

    def digested() -> Iterator[ImageEntry]:
        nonlocal images
        for entry in entries:
            digest.add(entry.key, entry.source, entry.size, entry.label)
            images += 1
            yield entry

    with _batches(path) as write:
        for shard in _deal(digested(), config):
            write(shard)
            shards += 1
    return images, shards, digest.hexdigest()


def _deal(entries: Iterable[ImageEntry], config: DatasetConfig) -> Iterator[list[ImageEntry]]:
    """The photographs of each shard."""
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


@contextlib.contextmanager
def _batches(path: Path) -> Iterator[Callable[[list[ImageEntry]], None]]:
    """Opens the file of a split's plan and gives what writes a shard to it."""
    with storage_errors("write", path):
        writer = pa.ipc.new_file(str(path), SCHEMA)

    def write(shard: list[ImageEntry]) -> None:
        with storage_errors("write", path):
            writer.write_batch(_batch(shard))

    yield write
    with storage_errors("write", path):
        writer.close()


def _batch(entries: list[ImageEntry]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    columns = {name: [getattr(e, name) for e in entries] for name in SCHEMA.names}
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)
