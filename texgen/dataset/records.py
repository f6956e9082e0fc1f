"""Records under ``_build/records``: one Arrow stream per finished shard.

The schema's metadata hold the `ShardRecord`, the body holds the shard's manifest rows, and a
checksum follows. So a build that resumes neither trusts a damaged record nor opens a shard, and the
manifest is written from records alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Sequence
from dataclasses import asdict

import pyarrow as pa

from texgen.core.errors import StorageError
from texgen.core.types import ArrowFile, ArrowTable, Row, ShardRecord, Timings
from texgen.dataset.manifest import rows_to_table
from texgen.storage import Sink

_META = b"texgen"
_CHECKSUM = hashlib.sha256().digest_size


def encode_record(record: ShardRecord, rows: Sequence[Row]) -> bytes:
    """Returns a shard's record and manifest rows as an Arrow stream with a checksum."""
    table = rows_to_table(rows).replace_schema_metadata({_META: json.dumps(asdict(record))})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    stream = bytes(out.getvalue())
    return stream + hashlib.sha256(stream).digest()


def read_shard_record(file: ArrowFile) -> ShardRecord:
    """Returns the `ShardRecord` of an open record file, whose checksum is verified.

    Raises:
        ValueError: If the file is not an intact record.
    """
    metadata = pa.ipc.open_stream(_stream(file)).schema.metadata or {}
    try:
        fields = json.loads(metadata[_META])
        return ShardRecord(**{**fields, "timings": Timings(**fields["timings"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a record: {error}") from error


def find_shard_record(path: str, sink: Sink, paths: Container[str]) -> ShardRecord | None:
    """Returns the `ShardRecord` at one of the ``paths`` of OUT; None if missing or damaged."""
    if path not in paths:
        return None
    try:
        return read_shard_record(sink.open(path))
    except (StorageError, ValueError, OSError):
        return None


def read_record_rows(file: ArrowFile) -> ArrowTable:
    """Returns the manifest rows of an open record file, as a `pyarrow.Table`.

    Raises:
        ValueError: If the file is not an intact record.
    """
    return pa.ipc.open_stream(_stream(file)).read_all().replace_schema_metadata(None)


def _stream(file: ArrowFile) -> bytes:
    """Returns a record without its checksum, which must be right; Arrow's streams have none."""
    data: bytes = file.read()
    stream, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if hashlib.sha256(stream).digest() != checksum:
        raise ValueError("not a record, or one that is damaged")
    return stream
