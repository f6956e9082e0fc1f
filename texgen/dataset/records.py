"""Records under ``_build/records``: one Arrow stream a finished shard.

The schema's metadata hold the `ShardRecord`, the body the shard's manifest
rows, and a checksum follows; so a resume neither trusts a damaged record nor
opens a shard, and the manifest is made from records alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Sequence
from dataclasses import asdict

import pyarrow as pa

from texgen.core.errors import StorageError
from texgen.core.types import ArrowFile, ArrowTable, Row, ShardRecord, Timings
from texgen.dataset.manifest import to_table
from texgen.storage import Sink

_META = b"texgen"
_CHECKSUM = hashlib.sha256().digest_size


def encode_record(record: ShardRecord, rows: Sequence[Row]) -> bytes:
    """Record and manifest rows of a shard as the bytes of an Arrow stream with a checksum."""
    table = to_table(rows).replace_schema_metadata({_META: json.dumps(asdict(record))})
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    stream = bytes(out.getvalue())
    return stream + hashlib.sha256(stream).digest()


def read_header(file: ArrowFile) -> ShardRecord:
    """The `ShardRecord` of an open record, all of which is checked.

    Raises:
        ValueError: If the file is not a whole record.
    """
    metadata = pa.ipc.open_stream(_stream(file)).schema.metadata or {}
    try:
        fields = json.loads(metadata[_META])
        return ShardRecord(**{**fields, "timings": Timings(**fields["timings"])})
    except (KeyError, TypeError) as error:
        message = f"not a record: {error}"
        raise ValueError(message) from error


def find_header(path: str, sink: Sink, there: Container[str]) -> ShardRecord | None:
    """The `ShardRecord` at a path of OUT; None where there is none, or a damaged one.

    Args:
        path: See `record_path` and `earlier_record_path`.
        sink: OUT.
        there: Paths of the files of OUT.
    """
    if path not in there:
        return None
    try:
        return read_header(sink.open(path))
    except (StorageError, ValueError, OSError):
        return None


def read_table(file: ArrowFile) -> ArrowTable:
    """The manifest rows of an open record, as a `pyarrow.Table`.

    Raises:
        ValueError: If the file is not a whole record.
    """
    return pa.ipc.open_stream(_stream(file)).read_all().replace_schema_metadata(None)


def _stream(file: ArrowFile) -> bytes:
    """A record without its checksum, which it must fit: Arrow's streams have none."""
    data: bytes = file.read()
    stream, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if hashlib.sha256(stream).digest() != checksum:
        message = "not a record, or one that is damaged"
        raise ValueError(message)
    return stream
