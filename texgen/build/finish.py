"""The end of a build: manifests, then the index, from plan and records alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from texgen.build.versions import single_version
from texgen.core.concurrency import ordered_map
from texgen.core.errors import StorageError
from texgen.core.hashing import sha256_file, sha256_stream
from texgen.core.layout import INDEX, manifest_path, record_path
from texgen.core.types import ArrowTable, Shard, ShardRecord
from texgen.dataset.index import Index, ManifestFile, ShardFile, SplitIndex, encode_index
from texgen.dataset.manifest import write_manifest
from texgen.dataset.plan import Plan, SplitPlan
from texgen.dataset.records import read_record_rows
from texgen.storage import Sink, scratch_folder, storage_errors


@dataclass
class Failures:
    """Failed rows, counted while the manifest is written.

    Attributes:
        rows: Number of failed rows.
        images: Number of images with at least one failed row.
        reasons: Error text to number of rows.
        examples: Error text to the source of one image.
    """

    rows: int = 0
    images: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    _last: str = ""

    def count(self, table: ArrowTable) -> ArrowTable:
        """Counts the failed rows of a table in key order, and returns the table."""
        # Most tables have no failed row.
        if table["error"].null_count == table.num_rows:
            return table
        for row in table.select(["source", "error"]).filter(table["error"].is_valid()).to_pylist():
            self.rows += 1
            self.reasons[row["error"]] += 1
            self.examples.setdefault(row["error"], row["source"])
            if row["source"] != self._last:
                self._last = row["source"]
                self.images += 1
        return table


@dataclass(frozen=True, slots=True)
class FinishedDataset:
    """A finished data set.

    Attributes:
        index: Its index.
        failures: Its failed rows.
        written: Paths of the manifests and index that were missing or different.
    """

    index: Index
    failures: Failures
    written: tuple[str, ...]


def finish_dataset(plan: Plan, records: Mapping[Shard, ShardRecord], sink: Sink) -> FinishedDataset:
    """Makes manifests and index from the records of all shards, and writes those that differ.

    This also repairs a finished data set whose manifests or index were damaged or edited.

    Raises:
        ConfigError: If several versions of texgen made the shards.
        StorageError: If OUT cannot be written, or a record cannot be read.
    """
    made_by = single_version(records.values())
    failures, written = Failures(), list[str]()
    splits = {}
    with scratch_folder(sink.scratch()) as folder:
        for split in plan.splits:
            manifest = []
            for path, file in _manifest(split, failures, folder, sink):
                if not _has_file(sink, file.path, file.sha256):
                    # An index exists only while all files that it names do.
                    sink.remove(INDEX)
                    sink.commit(path, file.path, file.sha256, replace=True)
                    written.append(file.path)
                manifest.append(file)
            shards = [records[split.name, index] for index in range(split.shards)]
            splits[split.name] = _split_index(split, manifest, shards)
    config = dict(plan.config)
    index = Index(plan.name, plan.fingerprint, config, splits, notes=plan.notes, texgen=made_by)
    data = encode_index(index)
    if not _has_file(sink, INDEX, hashlib.sha256(data).hexdigest()):
        sink.write(INDEX, data)
        written.append(INDEX)
    return FinishedDataset(index, failures, tuple(written))


def count_failures(shards: Iterable[Shard], sink: Sink) -> Failures:
    """Counts the failed rows of finished shards, which must be given in order.

    Raises:
        StorageError: If a record cannot be read.
    """
    failures = Failures()
    for table in ordered_map(lambda shard: _rows(*shard, sink), shards, sink.parallel):
        failures.count(table)
    return failures


def _has_file(sink: Sink, path: str, sha256: str) -> bool:
    """Whether OUT already holds a file with these bytes."""
    try:
        with sink.open(path) as file:
            return sha256_stream(file) == sha256
    except (StorageError, OSError):
        return False


def _manifest(
    split: SplitPlan, failures: Failures, folder: Path, sink: Sink
) -> Iterator[tuple[Path, ManifestFile]]:
    """Writes a split's manifest files to ``folder``, one at a time, and describes each."""
    read_rows = partial(_rows, split.name, sink=sink)
    tables = ordered_map(read_rows, range(split.shards), sink.parallel)
    files = write_manifest(map(failures.count, tables), folder, split.name)
    with storage_errors("write to", folder):
        for index, (path, rows) in enumerate(files):
            size, sha256 = path.stat().st_size, sha256_file(path)
            yield path, ManifestFile(manifest_path(split.name, index), size, sha256, rows)


def _rows(split: str, index: int, sink: Sink) -> ArrowTable:
    """Manifest rows of a finished shard."""
    path = record_path(split, index)
    try:
        return read_record_rows(sink.open(path))
    except ValueError as error:
        raise StorageError(
            f"{path} was damaged while the build ran; the same command makes it again"
        ) from error


def _split_index(
    split: SplitPlan, manifest: list[ManifestFile], shards: list[ShardRecord]
) -> SplitIndex:
    return SplitIndex(
        split.images,
        sum(record.samples for record in shards),
        sum(record.failed for record in shards),
        split.classes,
        manifest,
        [ShardFile(r.path, r.size, r.sha256, r.samples) for r in shards],
    )
