"""Records under ``_build/records``: one Arrow stream a finished shard.

The schema's metadata hold the `ShardRecord`, the body the shard's manifest
rows; so a resume reads a header each, and the manifest is made from records
alone, without opening a shard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from texgen.manifest import to_table
from texgen.types import ArrowFile, ArrowTable, Row, ShardRecord, Timings, shard_name

FOLDER = "_build/records"
_META = b"texgen"


def record_path(split: str, index: int) -> str:
    """Path of a shard's record, relative to OUT."""
    return f"{FOLDER}/{shard_name(split, index)}.arrow"


def encode_record(record: ShardRecord, rows: Sequence[Row]) -> bytes:
    """Record and manifest rows of a shard as the bytes of an Arrow stream."""
    table = to_table(rows).replace_schema_metadata({_META: json.dumps(asdict(record))})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


def read_header(file: ArrowFile) -> ShardRecord:
    """The `ShardRecord` of an open record.

    Raises:
        ValueError: If the file is not a record.
    """
    metadata = pa.ipc.open_stream(file).schema.metadata or {}
    try:
        fields = json.loads(metadata[_META])
        return ShardRecord(**{**fields, "timings": Timings(**fields["timings"])})
    except (KeyError, TypeError) as error:
        message = f"not a record: {error}"
        raise ValueError(message) from error


def read_table(file: ArrowFile) -> ArrowTable:
    """The manifest rows of an open record, as a `pyarrow.Table`."""
    return pa.ipc.open_stream(file).read_all().replace_schema_metadata(None)
