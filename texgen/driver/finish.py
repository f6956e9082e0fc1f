"""After the last shard: manifests, then the index."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from texgen.digest import sha256_file
from texgen.index import INDEX, Index, ManifestFile, ShardFile, SplitIndex, encode_index
from texgen.manifest import manifest_path, write_manifest
from texgen.plan import Plan, SplitPlan
from texgen.records import read_table, record_path
from texgen.storage import Sink
from texgen.types import ArrowTable, ShardRecord


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


def count_failures(plan: Plan, sink: Sink) -> Failures:
    """The failed rows of all records."""
    failures = Failures()
    for split in plan.splits:
        for table in _tables(split, sink):
            failures.count(table)
    return failures


def finish(plan: Plan, records: dict[tuple[str, int], ShardRecord], sink: Sink) -> Failures:
    """Writes manifests and index from the records of all shards.

    Returns:
        The failed rows.
    """
    failures = Failures()
    splits = {}
    with tempfile.TemporaryDirectory(dir=sink.scratch()) as folder:
        for split in plan.splits:
            manifest = list(_manifest(split, failures, Path(folder), sink))
            shards = [records[split.name, index] for index in range(split.shards)]
            splits[split.name] = _split_index(split, manifest, shards)
    index = Index(plan.name, plan.fingerprint, dict(plan.config), splits)
    sink.write(INDEX, encode_index(index))
    return failures


def _manifest(
    split: SplitPlan, failures: Failures, folder: Path, sink: Sink
) -> Iterator[ManifestFile]:
    tables = (failures.count(table) for table in _tables(split, sink))
    for index, (path, rows) in enumerate(write_manifest(tables, folder, split.name)):
        file = ManifestFile(
            manifest_path(split.name, index), path.stat().st_size, sha256_file(path), rows
        )
        sink.commit(path, file.path, file.sha256, replace=True)
        yield file


def _tables(split: SplitPlan, sink: Sink) -> Iterator[ArrowTable]:
    for index in range(split.shards):
        yield read_table(sink.open(record_path(split.name, index)))


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
