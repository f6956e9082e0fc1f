"""After the last shard: manifests, then the index, from plan and records alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from texgen.build.versions import one_version
from texgen.core.concurrency import ordered_map
from texgen.core.errors import StorageError
from texgen.core.hashing import sha256_file, sha256_stream
from texgen.core.layout import INDEX, manifest_path, record_path
from texgen.core.types import ArrowTable, ShardRecord
from texgen.dataset.index import Index, ManifestFile, ShardFile, SplitIndex, encode_index
from texgen.dataset.manifest import write_manifest
from texgen.dataset.plan import Plan, SplitPlan
from texgen.dataset.records import read_table
from texgen.storage import Sink, scratch_folder, storage_errors


@dataclass
class Failures:
    """Failed rows, as they are counted while the manifest is made.

    Attributes:
        rows: Number of failed rows.
        images: Photographs with at least one failed row.
        reasons: Error text to number of rows.
        examples: Error text to the source of one photograph.
    """

    rows: int = 0
    images: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    _last: str = ""

    def count(self, table: ArrowTable) -> ArrowTable:
        """Counts the failed rows of a table in key order, and gives it back."""
        for row in failed_rows(table):
            self.rows += 1
            self.reasons[row["error"]] += 1
            self.examples.setdefault(row["error"], row["source"])
            if row["source"] != self._last:
                self._last = row["source"]
                self.images += 1
        return table


def failed_rows(table: ArrowTable) -> Iterable[dict[str, Any]]:
    """Source and error of a table's failed rows."""
    if table["error"].null_count == table.num_rows:
        return ()
    failed = table.select(["source", "error"]).filter(table["error"].is_valid())
    rows: list[dict[str, Any]] = failed.to_pylist()
    return rows


@dataclass(frozen=True, slots=True)
class FinishedDataset:
    """A finished data set.

    Attributes:
        index: Its index.
        failures: Its failed rows.
        written: Paths of manifests and index that were not there as they must be.
    """

    index: Index
    failures: Failures
    written: tuple[str, ...]


def finish(
    plan: Plan, records: Mapping[tuple[str, int], ShardRecord], sink: Sink
) -> FinishedDataset:
    """Makes manifests and index from the records of all shards, and writes what differs.

    So a finished data set that was damaged or edited is put right again.

    Raises:
        ConfigError: If parts of it were made by several versions of texgen.
        StorageError: If OUT cannot be written, or a record cannot be read.
    """
    made_by = one_version(records.values())
    failures, written = Failures(), list[str]()
    splits = {}
    with scratch_folder(sink.scratch()) as folder:
        for split in plan.splits:
            manifest = []
            for path, file in _manifest(split, failures, folder, sink):
                if not _same(sink, file.path, file.sha256):
                    # An index is there only while all that it names is there.
                    sink.remove(INDEX)
                    sink.commit(path, file.path, file.sha256, replace=True)
                    written.append(file.path)
                manifest.append(file)
            shards = [records[split.name, index] for index in range(split.shards)]
            splits[split.name] = _split_index(split, manifest, shards)
    index = Index(
        plan.name,
        plan.fingerprint,
        dict(plan.config),
        splits,
        notes=plan.notes,
        texgen=made_by,
    )
    data = encode_index(index)
    if not _same(sink, INDEX, hashlib.sha256(data).hexdigest()):
        sink.write(INDEX, data)
        written.append(INDEX)
    return FinishedDataset(index, failures, tuple(written))


def count_failures(shards: Iterable[tuple[str, int]], sink: Sink) -> Failures:
    """The failed rows of some finished shards, in order.

    Raises:
        StorageError: If a record cannot be read.
    """
    failures = Failures()
    for table in ordered_map(lambda shard: _table(*shard, sink), shards, sink.parallel):
        failures.count(table)
    return failures


def _same(sink: Sink, path: str, sha256: str) -> bool:
    """Whether a file is in OUT already."""
    try:
        with sink.open(path) as file:
            return sha256_stream(file) == sha256
    except (StorageError, OSError):
        return False


def _manifest(
    split: SplitPlan, failures: Failures, folder: Path, sink: Sink
) -> Iterator[tuple[Path, ManifestFile]]:
    tables = (failures.count(table) for table in _tables(split, sink))
    files = enumerate(write_manifest(tables, folder, split.name))
    while True:
        with storage_errors("write to", folder):
            found = next(files, None)
            if found is None:
                return
            index, (path, rows) = found
            size, sha256 = path.stat().st_size, sha256_file(path)
        yield path, ManifestFile(manifest_path(split.name, index), size, sha256, rows)


def _tables(split: SplitPlan, sink: Sink) -> Iterator[ArrowTable]:
    one = partial(_table, split.name, sink=sink)
    yield from ordered_map(one, range(split.shards), sink.parallel)


def _table(split: str, index: int, sink: Sink) -> ArrowTable:
    path = record_path(split, index)
    try:
        return read_table(sink.open(path))
    except ValueError as error:
        message = f"{path} was damaged while the build ran; the same command makes it again"
        raise StorageError(message) from error


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
