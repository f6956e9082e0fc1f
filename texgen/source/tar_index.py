"""What lies where in a tar, found out once and kept for the next run.

Reading the headers of a large archive touches all of it: 1.3 million reads in
ILSVRC-2012's 138 GB. An index is a small Arrow table, and a cache on this machine keeps it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from texgen.errors import SourceError
from texgen.source.base import Problem, shown
from texgen.source.index_cache import IndexCache
from texgen.source.ranges import RangeFile, open_range
from texgen.source.tar import Member, TarScan
from texgen.types import ArrowTable

_log = logging.getLogger(__name__)

INSIDE = b"\0"
"""Between the name of a tar inside a tar and that of its member."""

SCHEMA = pa.schema(
    [
        pa.field("name", pa.large_binary()),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("check", pa.uint32()),
        pa.field("label", pa.binary()),
    ]
)
"""Files of a tar in its order; ``label`` is the content of a small ``.cls`` file."""

_IGNORED = b"texgen.ignored"
_ROWS = 1 << 16
_LABEL = b".cls"
_LABEL_BYTES = 32


def tar_index(path: str, where: str, problem: Problem, *, nested: bool = False) -> ArrowTable:
    r"""The index of a tar; of what could be read of it, where the rest is a problem.

    Args:
        path: Of the tar.
        where: Its name, for people.
        problem: Called where the tar cannot be opened, is cut off or damaged.
        nested: Whether it is a tar of tars: their members are listed as ``TAR\0MEMBER``,
            behind a row for the tar itself.
    """
    try:
        file = open_range(path)
        cache = IndexCache(path, file, "nested" if nested else "flat")
        if (found := cache.load(SCHEMA)) is not None:
            return found
        return _make(file, where, problem, cache, nested=nested)
    except OSError as error:
        problem(SourceError(f"cannot read {where}: {error.strerror or error}"))
        return SCHEMA.empty_table()


def ignored(index: ArrowTable) -> int:
    """Number of links, devices and sparse files, none of which is in the table."""
    return int((index.schema.metadata or {}).get(_IGNORED, b"0"))


def _make(
    file: RangeFile, where: str, problem: Problem, cache: IndexCache, *, nested: bool
) -> ArrowTable:
    _log.info("reading the headers of %s", where)
    batches: list[Any] = []
    rows: list[tuple[Any, ...]] = []
    others = 0
    whole = True

    def flush() -> None:
        columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
        batches.append(pa.record_batch([list(c) for c in columns], schema=SCHEMA))
        rows.clear()

    scan = TarScan(file, where)
    try:
        for member, label in _nested(scan, file, where) if nested else _flat(scan):
            if member.kind == "file":
                rows.append((member.name, member.offset, member.size, member.check, label))
            others += member.kind == "other"
            if len(rows) == _ROWS:
                flush()
    except SourceError as error:
        problem(error)
        whole = False
    flush()
    schema = SCHEMA.with_metadata({_IGNORED: json.dumps(others)})
    table = pa.Table.from_batches(batches).cast(schema)
    if whole:
        cache.save(table)
    return table


def _flat(scan: TarScan) -> Iterator[tuple[Member, bytes | None]]:
    for member in scan.members():
        # Beside its photograph, and so read with the headers.
        is_label = member.name.endswith(_LABEL) and member.size <= _LABEL_BYTES
        yield member, scan.payload(member) if is_label and member.kind == "file" else None


def _nested(scan: TarScan, file: RangeFile, where: str) -> Iterator[tuple[Member, None]]:
    for member in scan.members():
        yield member, None
        if member.kind != "file" or not member.name.endswith(b".tar"):
            continue
        inner = f"{where}!{shown(member.name)}"
        for inside in TarScan(file, inner, member.offset, member.offset + member.size).members():
            yield inside._replace(name=member.name + INSIDE + inside.name), None
