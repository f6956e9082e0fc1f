"""The manifest: one row a texture, in Parquet, sorted by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from texgen.core.errors import DatasetError
from texgen.core.layout import manifest_file_name
from texgen.core.types import ArrowFile, ArrowTable, Geometry, Row

ManifestRow: TypeAlias = dict[str, Any]
"""A manifest's row, by column."""

SCHEMA = pa.schema(
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
"""Columns that hold a row's `Geometry`; all are null where the image could not be read."""

ROWS_PER_FILE = 1_048_576
ROWS_PER_GROUP = 65_536


def to_table(rows: Iterable[Row]) -> ArrowTable:
    """Rows as a `pyarrow.Table` of `SCHEMA`."""
    return pa.Table.from_pylist([manifest_row(row) for row in rows], schema=SCHEMA)


def manifest_row(row: Row) -> ManifestRow:
    """A row as its columns; the inverse of `patch_columns` is `geometry_of`."""
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
    """The values of `PATCH_COLUMNS`."""
    numbers = (geometry.width, geometry.height, geometry.side, *geometry.center, *geometry.random)
    return dict(zip(PATCH_COLUMNS, numbers, strict=True))


def geometry_of(row: Mapping[str, Any]) -> Geometry:
    """Where a row's patches lie.

    Raises:
        DatasetError: If the row does not say so, as one that has a texture does.
    """
    if None in (row[name] for name in PATCH_COLUMNS):
        message = f"{row['key']} does not say where its patches lie; `texgen verify` says more"
        raise DatasetError(message)
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

    The bytes depend on the rows alone, not on how ``tables`` cuts them; a split without rows
    gets one file without rows.

    Args:
        tables: Of `SCHEMA`, in key order.
        folder: Where the files are made.
        split: Name of the split.

    Yields:
        Path and number of rows of each file, once it is complete.
    """
    index, rows = 0, 0
    path = folder / manifest_file_name(split, index)
    writer = _open(path)
    try:
        for table in _groups(tables):
            if rows == ROWS_PER_FILE:
                writer.close()
                yield path, rows
                index, rows = index + 1, 0
                path = folder / manifest_file_name(split, index)
                writer = _open(path)
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
            rows += table.num_rows
    finally:
        writer.close()
    yield path, rows


_MOST_TABLES = 256
"""Kept apart: each takes 25 kB beside its rows, and shards may have but one."""


def _open(path: Path) -> Any:  # noqa: ANN401 - pyarrow ships no types
    return pq.ParquetWriter(path, SCHEMA, compression="zstd")


def _groups(tables: Iterable[ArrowTable]) -> Iterator[ArrowTable]:
    """Cuts ``tables`` anew into tables of `ROWS_PER_GROUP` rows; the last may be shorter."""
    pending, count = [], 0
    for table in tables:
        pending.append(table)
        count += table.num_rows
        if len(pending) == _MOST_TABLES:
            pending = [pa.concat_tables(pending).combine_chunks()]
        while count >= ROWS_PER_GROUP:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, ROWS_PER_GROUP).combine_chunks()
            pending = [joined.slice(ROWS_PER_GROUP)]
            count -= ROWS_PER_GROUP
    if count:
        yield pa.concat_tables(pending).combine_chunks()


def has_schema(file: ArrowFile) -> bool:
    """Whether an open Parquet file has the columns of a manifest; leaves it at its begin."""
    same: bool = pq.read_schema(file).equals(SCHEMA)
    file.seek(0)
    return same


def read_rows(file: ArrowFile, batch_size: int = 4096) -> Iterator[ManifestRow]:
    """The rows of a manifest file as dictionaries.

    Args:
        file: Path, or an open `pyarrow.NativeFile`.
        batch_size: Rows held in memory at once.
    """
    for batch in pq.ParquetFile(file).iter_batches(batch_size):
        yield from batch.to_pylist()
