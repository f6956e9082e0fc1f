"""The manifest: Parquet files with one row per texture, sorted by key."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from texgen.core.errors import DatasetError
from texgen.core.layout import manifest_file_name
from texgen.core.types import ArrowFile, ArrowTable, Geometry, Row

ManifestRow: TypeAlias = dict[str, Any]
"""A row of a manifest: column name to value."""

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("label", pa.int32()),
        pa.field("class", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("patch_size", pa.int32()),
        pa.field("center_x", pa.int32()),
        pa.field("center_y", pa.int32()),
        pa.field("random_x", pa.int32()),
        pa.field("random_y", pa.int32()),
        pa.field("texture_index", pa.int32(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("shard", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("sha256", pa.string()),
    ]
)

PATCH_COLUMNS = ("width", "height", "patch_size", "center_x", "center_y", "random_x", "random_y")
"""Columns that hold a row's `Geometry`; all are null if the image could not be read."""

ROWS_PER_FILE = 1_048_576
ROWS_PER_GROUP = 65_536


def rows_to_table(rows: Iterable[Row]) -> ArrowTable:
    """Returns rows as a `pyarrow.Table` of `MANIFEST_SCHEMA`."""
    return pa.Table.from_pylist([manifest_row(row) for row in rows], schema=MANIFEST_SCHEMA)


def manifest_row(row: Row) -> ManifestRow:
    """Returns a row as it stands in the manifest."""
    member = row.member
    patches = patch_columns(row.geometry) if row.geometry else dict.fromkeys(PATCH_COLUMNS)
    return {
        "key": row.key,
        "source": row.entry.source,
        "label": row.entry.label,
        "class": row.entry.class_name,
        **patches,
        "texture_index": row.texture_index,
        "seed": row.seed,
        "status": "ok" if member else "failed",
        "error": row.error,
        "shard": member and member.shard,
        "offset": member and member.offset,
        "length": member and member.length,
        "sha256": member and member.sha256,
    }


def patch_columns(geometry: Geometry) -> dict[str, int]:
    """Returns `PATCH_COLUMNS` with their values; `geometry_of` is the inverse."""
    numbers = (geometry.width, geometry.height, geometry.side, *geometry.center, *geometry.random)
    return dict(zip(PATCH_COLUMNS, numbers, strict=True))


def geometry_of(row: Mapping[str, Any]) -> Geometry:
    """Returns where the patches of a row that has a texture lie.

    Raises:
        DatasetError: If one of the columns is null.
    """
    if None in (row[name] for name in PATCH_COLUMNS):
        raise DatasetError(
            f"{row['key']} does not say where its patches lie; run `texgen verify` for details"
        )
    return Geometry(
        row["width"],
        row["height"],
        row["patch_size"],
        (row["center_x"], row["center_y"]),
        (row["random_x"], row["random_y"]),
    )


def write_manifest(
    tables: Iterable[ArrowTable], folder: Path, split: str
) -> Iterator[tuple[Path, int]]:
    """Writes a split's manifest to local files, at most `ROWS_PER_FILE` rows each.

    The bytes depend on the rows alone, not on how they are divided into ``tables``. A split
    without rows gets one file without rows.

    Args:
        tables: Tables of `MANIFEST_SCHEMA`, in key order.
        folder: Folder for the files.
        split: Name of the split.

    Yields:
        Path and number of rows of each file, as soon as it is complete.
    """
    groups = _row_groups(tables)
    table = next(groups, None)
    for index in itertools.count():
        path, rows = folder / manifest_file_name(split, index), 0
        with pq.ParquetWriter(path, MANIFEST_SCHEMA, compression="zstd") as writer:
            while table is not None and rows < ROWS_PER_FILE:
                writer.write_table(table, row_group_size=ROWS_PER_GROUP)
                rows += table.num_rows
                table = next(groups, None)
        yield path, rows
        if table is None:
            return


_MAX_PENDING = 256
"""Tables held before they are joined: each takes 25 kB beside its rows, and may have one row."""


def _row_groups(tables: Iterable[ArrowTable]) -> Iterator[ArrowTable]:
    """Divides the rows into tables of `ROWS_PER_GROUP` rows; the last may be shorter."""
    pending, count = [], 0
    for table in tables:
        pending.append(table)
        count += table.num_rows
        if len(pending) == _MAX_PENDING:
            pending = [pa.concat_tables(pending).combine_chunks()]
        while count >= ROWS_PER_GROUP:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, ROWS_PER_GROUP).combine_chunks()
            pending = [joined.slice(ROWS_PER_GROUP)]
            count -= ROWS_PER_GROUP
    if count:
        yield pa.concat_tables(pending).combine_chunks()


def has_schema(file: ArrowFile) -> bool:
    """Whether an open Parquet file has the columns of a manifest; rewinds the file."""
    equal: bool = pq.read_schema(file).equals(MANIFEST_SCHEMA)
    file.seek(0)
    return equal


def read_rows(file: ArrowFile, batch_size: int = 4096) -> Iterator[ManifestRow]:
    """Yields the rows of a manifest file, of which ``batch_size`` are in memory at once."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size):
        yield from batch.to_pylist()
