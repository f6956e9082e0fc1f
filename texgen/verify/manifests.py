"""A split's manifests: every row by itself, then the rows of each shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from texgen.core.errors import StorageError
from texgen.core.layout import INDEX
from texgen.core.text import pluralize
from texgen.dataset.index import Index, ManifestFile, ShardFile, SplitIndex
from texgen.dataset.manifest import ManifestRow, has_schema, read_rows
from texgen.storage import Sink
from texgen.verify.findings import Kinds
from texgen.verify.index_checks import byte_faults
from texgen.verify.rows import row_faults


@dataclass
class Counts:
    """What a split's manifests hold.

    Attributes:
        whole: Whether all of them can be read.
        in_order: Whether their rows name shards of the index, in order.
        rows: Number of rows.
        failed: Those without a texture.
        last_key: Of the last row.
        last_shard: Number of the last shard that a row names.
    """

    whole: bool = True
    in_order: bool = True
    rows: int = 0
    failed: int = 0
    last_key: str = ""
    last_shard: int = 0


def manifest_faults(split: SplitIndex, index: Index, sink: Sink, counts: Counts) -> Iterator[str]:
    """Faults of a split's manifests and their rows; fills ``counts``."""
    shards = {file.path: number for number, file in enumerate(split.shards)}
    for file in split.manifest:
        before, counts_whole = counts.rows, counts.whole
        counts.whole = False
        try:
            with sink.open(file.path) as stream:
                faults = list(byte_faults(file.path, file.bytes, file.sha256, stream))
                yield from faults
                # Damaged bytes are not parsed: what Parquet would make of them says nothing.
                if faults:
                    continue
                if not has_schema(stream):
                    yield f"{file.path}: its columns are not those of a manifest"
                    continue
                rows = read_rows(stream)
                yield from _rows(file.path, rows, split, index, counts, shards)
        except (StorageError, pa.ArrowException, OSError, ValueError) as error:
            yield f"{file.path}: cannot be read ({error})"
            continue
        counts.whole = counts_whole
        yield from _row_count(file, counts.rows - before)


def _row_count(file: ManifestFile, found: int) -> Iterator[str]:
    if found != file.rows:
        yield f"{file.path}: {pluralize(found, 'row')}, the index says {file.rows}"


def _rows(
    path: str,
    found: Iterable[ManifestRow],
    split: SplitIndex,
    index: Index,
    counts: Counts,
    shards: Mapping[str, int],
) -> Iterator[str]:
    """Faults of a manifest's rows, one of each kind: an edited card may belie all of them."""
    kinds = Kinds("row")
    for row in found:
        left_out = index.partial and _left_out(row, shards)
        for kind, what in row_faults(row, counts.last_key, split.classes, shards, index.config):
            if not (left_out and kind == "shard"):
                kinds.add(kind, f"{path}: {row['key']} {what}")
        counts.last_key = row["key"]
        counts.rows += 1
        counts.failed += row["status"] == "failed"
        if row["status"] == "ok" and not left_out:
            number = shards.get(row["shard"], -1)
            if 0 <= number < counts.last_shard:
                what = f"names the shard {row['shard']} after rows of later ones"
                kinds.add("shards", f"{path}: {row['key']} {what}")
            counts.in_order &= number >= counts.last_shard
            counts.last_shard = max(number, counts.last_shard)
    yield from kinds.lines()


def _left_out(row: ManifestRow, shards: Mapping[str, int]) -> bool:
    """Whether a row's texture is in a shard that was not downloaded."""
    return row["status"] == "ok" and row["shard"] not in shards


def count_faults(name: str, split: SplitIndex, index: Index, counts: Counts) -> Iterator[str]:
    """What the index counts otherwise than its files."""
    shards = sum(file.samples for file in split.shards)
    expected = {"textures": (split.textures, shards)}
    # Rows that cannot be read are one fault already.
    if counts.whole:
        planned = split.images * int(index.config["textures_per_image"])
        expected |= {"rows": (planned, counts.rows), "failed rows": (split.failed, counts.failed)}
    for what, (said, found) in expected.items():
        if said != found:
            yield f"{INDEX}: {name} has {said} {what}, its files have {found}"


def rows_by_shard(split: SplitIndex, sink: Sink) -> Iterator[tuple[ShardFile, list[ManifestRow]]]:
    """Each shard with its rows, and the failed ones behind them; one shard's are held at once.

    Args:
        split: With manifests that were found to be in order.
        sink: OUT.
    """
    numbers = {file.path: number for number, file in enumerate(split.shards)}
    number = 0
    rows: list[ManifestRow] = []
    for file in split.manifest:
        with sink.open(file.path) as stream:
            for row in read_rows(stream):
                # Of a download of some shards; elsewhere it was a fault that ended this.
                if _left_out(row, numbers):
                    continue
                while row["status"] == "ok" and number < numbers[row["shard"]]:
                    yield split.shards[number], rows
                    number, rows = number + 1, []
                rows.append(row)
    for shard in split.shards[number:]:
        yield shard, rows
        rows = []
