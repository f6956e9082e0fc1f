"""Checks a split's manifests: every row by itself, then the rows of each shard."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from texgen.core.errors import StorageError
from texgen.core.keys import image_key_of, texture_key
from texgen.core.layout import INDEX
from texgen.core.seeds import texture_seed
from texgen.core.text import pluralize
from texgen.dataset.index import Index, ShardFile, SplitIndex
from texgen.dataset.manifest import PATCH_COLUMNS, ManifestRow, has_schema, patch_columns, read_rows
from texgen.storage import Sink
from texgen.synthesis.patches import PatchRule, patch_geometry
from texgen.verify.findings import FaultsByKind
from texgen.verify.index_checks import byte_faults


@dataclass
class ManifestCounts:
    """Summary of a split's manifests.

    Attributes:
        complete: Whether all of them can be read.
        in_order: Whether their rows name shards of the index, in order.
        rows: Number of rows.
        failed: Number of rows without a texture.
        last_key: Key of the last row.
        last_shard: Number of the last shard that a row names.
    """

    complete: bool = True
    in_order: bool = True
    rows: int = 0
    failed: int = 0
    last_key: str = ""
    last_shard: int = 0


def manifest_faults(name: str, index: Index, sink: Sink, counts: ManifestCounts) -> Iterator[str]:
    """Yields faults of a split's manifests, their rows and their counts; fills ``counts``."""
    split = index.splits[name]
    shards = {file.path: number for number, file in enumerate(split.shards)}
    for file in split.manifest:
        rows_before = counts.rows
        try:
            with sink.open(file.path) as stream:
                faults = list(byte_faults(file.path, file.bytes, file.sha256, stream))
                # Damaged bytes are not parsed: their rows would mean nothing.
                if not faults and not has_schema(stream):
                    faults.append(f"{file.path}: its columns are not those of a manifest")
                yield from faults
                if not faults:
                    rows = read_rows(stream)
                    yield from _faults_of_rows(file.path, rows, split, index, counts, shards)
        except (StorageError, pa.ArrowException, OSError, ValueError) as error:
            faults = [f"{file.path}: cannot be read ({error})"]
            yield from faults
        if faults:
            counts.complete = False
            continue
        row_count = counts.rows - rows_before
        if row_count != file.rows:
            yield f"{file.path}: {pluralize(row_count, 'row')}, {file.rows} in the index"
    expected = {"textures": (split.textures, sum(file.samples for file in split.shards))}
    # Rows that cannot be read are a fault already.
    if counts.complete:
        planned = split.images * int(index.config["textures_per_image"])
        expected |= {"rows": (planned, counts.rows), "failed rows": (split.failed, counts.failed)}
    for noun, (in_index, in_files) in expected.items():
        if in_index != in_files:
            yield f"{INDEX}: {name} has {in_index} {noun}, its files have {in_files}"


def _faults_of_rows(
    path: str,
    rows: Iterable[ManifestRow],
    split: SplitIndex,
    index: Index,
    counts: ManifestCounts,
    shards: Mapping[str, int],
) -> Iterator[str]:
    """Yields one fault of each kind in a manifest's rows: an edited index may affect all rows."""
    faults = FaultsByKind("row")
    for row in rows:
        left_out = index.partial and _is_left_out(row, shards)
        for kind, fault in _row_faults(row, counts.last_key, split.classes, shards, index.config):
            if not (left_out and kind == "shard"):
                faults.add(kind, f"{path}: {row['key']} {fault}")
        counts.last_key = row["key"]
        counts.rows += 1
        counts.failed += row["status"] == "failed"
        if row["status"] == "ok" and not left_out:
            number = shards.get(row["shard"], -1)
            if 0 <= number < counts.last_shard:
                fault = f"names the shard {row['shard']} after rows of later shards"
                faults.add("shards", f"{path}: {row['key']} {fault}")
            counts.in_order &= number >= counts.last_shard
            counts.last_shard = max(number, counts.last_shard)
    yield from faults.lines()


def _row_faults(
    row: ManifestRow,
    last_key: str,
    classes: Sequence[str],
    shards: Container[str],
    config: Mapping[str, Any],
) -> Iterator[tuple[str, str]]:
    """Yields the faults of a row, each as a kind and a phrase that follows the row's key."""
    if row["key"] <= last_key:
        yield "order", f"does not sort after {last_key}"
    if not _is_labelled(row, classes):
        yield "label", f"has label {row['label']}, class {row['class']}; the index differs"
    location = [row[name] for name in ("shard", "offset", "length", "sha256")]
    if row["status"] == "ok" and row["error"] is None and None not in location:
        if row["shard"] not in shards:
            yield "shard", f"names the shard {row['shard']}, which the index lacks"
    elif row["status"] != "failed" or not row["error"] or any(location):
        yield "status", "is neither a texture nor a failed row"
    if not _is_seeded(row, config):
        yield "seed", f"has seed {row['seed']}, which does not follow from key and --seed"
    elif row["status"] == "ok" and not _is_placed(row, config):
        yield "patches", "has its patches elsewhere than its seed puts them"


def _is_labelled(row: ManifestRow, classes: Sequence[str]) -> bool:
    label = row["label"]
    if label is None or not 0 <= label < len(classes):
        return label is None and row["class"] is None and not classes
    return bool(classes[label] == row["class"])


def _is_seeded(row: ManifestRow, config: Mapping[str, Any]) -> bool:
    number = row["texture_index"]
    image = image_key_of(row["key"])
    seed = texture_seed(config["seed"], image, number)
    return bool(row["key"] == texture_key(image, number) and row["seed"] == seed)


def _is_placed(row: ManifestRow, config: Mapping[str, Any]) -> bool:
    """Whether the patches lie where size and seed put them."""
    columns = {name: row[name] for name in PATCH_COLUMNS}
    if None in columns.values() or min(row["width"], row["height"]) < 1:
        return False
    rule = PatchRule(config["patch_size"], config["small_patch_size"])
    boxes = patch_geometry(row["width"], row["height"], row["seed"], rule)
    return columns == patch_columns(boxes)


def _is_left_out(row: ManifestRow, shards: Mapping[str, int]) -> bool:
    """Whether a row's texture is in a shard that was not downloaded."""
    return row["status"] == "ok" and row["shard"] not in shards


def rows_by_shard(split: SplitIndex, sink: Sink) -> Iterator[tuple[ShardFile, list[ManifestRow]]]:
    """Yields each shard with its rows and the failed rows behind them.

    Only the rows of one shard are held in memory.

    Args:
        split: Split whose manifests are known to be in order.
        sink: OUT.
    """
    numbers = {file.path: number for number, file in enumerate(split.shards)}
    number = 0
    rows: list[ManifestRow] = []
    for file in split.manifest:
        with sink.open(file.path) as stream:
            for row in read_rows(stream):
                # Only a partial download has such rows; elsewhere they are a fault, and then this
                # function is not called.
                if _is_left_out(row, numbers):
                    continue
                while row["status"] == "ok" and number < numbers[row["shard"]]:
                    yield split.shards[number], rows
                    number, rows = number + 1, []
                rows.append(row)
    for shard in split.shards[number:]:
        yield shard, rows
        rows = []
