"""What lies where in a tar, found out once and kept for the next run.

Reading the headers of a large archive touches all of it: 1.3 million reads in
ILSVRC-2012's 138 GB. An index is a small Arrow table, and a cache on this machine keeps it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from texgen.errors import SourceError
from texgen.ranges import RangeFile
from texgen.source.archive import Archive
from texgen.source.base import Problem, shown
from texgen.source.filesystem import FileSystem
from texgen.source.index_cache import IndexCache
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
_AT_ONCE = 8
"""Tars whose headers are read side by side, if their storage does not ask for more."""

_LABEL = b".cls"
_LABEL_BYTES = 32


def tar_index(
    files: FileSystem, path: str, where: str, problem: Problem, *, nested: bool = False
) -> ArrowTable:
    r"""The index of a tar; of what could be read of it, where the rest is a problem.

    Args:
        files: Holds the tar.
        path: Of the tar.
        where: Its name, for people.
        problem: Called where the tar cannot be opened, is cut off or damaged.
        nested: Whether it is a tar of tars: their members are listed as ``TAR\0MEMBER``,
            behind a row for the tar itself.
    """
    try:
        file = files.open(path)
        cache = IndexCache(file, "nested" if nested else "flat")
        if (found := cache.load(SCHEMA)) is not None:
            return found
        return _make(file, where, problem, cache, _at_once(files) if nested else None)
    except OSError as error:
        problem(SourceError(f"cannot read {where}: {error.strerror or error}"))
        return SCHEMA.empty_table()


def ignored(index: ArrowTable) -> int:
    """Number of links, devices and sparse files, none of which is in the table."""
    return int((index.schema.metadata or {}).get(_IGNORED, b"0"))


def tar_indexes(
    files: FileSystem, root: str, tars: Sequence[Archive], problem: Problem
) -> list[ArrowTable]:
    """`tar_index` of several tars at once: the wait for storage is most of what it costs."""

    def index(tar: Archive) -> ArrowTable:
        return tar_index(files, f"{root}/{tar.path}", tar.text, problem)

    with ThreadPoolExecutor(_at_once(files)) as pool:
        return list(pool.map(index, tars))


def _at_once(files: FileSystem) -> int:
    return max(_AT_ONCE, files.parallel)


class _Rows:
    """Takes members and makes a table of them, in batches that bound what is in memory."""

    def __init__(self) -> None:
        self._batches: list[Any] = []
        self._rows: list[tuple[Any, ...]] = []
        self._others = 0

    def add(self, member: Member, label: bytes | None = None) -> None:
        """Takes a member; what is no file is only counted."""
        self._others += member.kind == "other"
        if member.kind == "file":
            self._rows.append((member.name, member.offset, member.size, member.check, label))
        if len(self._rows) == _ROWS:
            self._flush()

    def table(self) -> ArrowTable:
        """All of them."""
        self._flush()
        schema = SCHEMA.with_metadata({_IGNORED: str(self._others)})
        return pa.Table.from_batches(self._batches).cast(schema)

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in SCHEMA)
        self._batches.append(pa.record_batch([list(c) for c in columns], schema=SCHEMA))
        self._rows.clear()


def _make(
    file: RangeFile, where: str, problem: Problem, cache: IndexCache, nested: int | None
) -> ArrowTable:
    """Reads all headers, of tars inside it ``nested`` at once; None where it has none."""
    _log.info("reading the headers of %s", where)
    rows = _Rows()
    whole = True
    found = _add_nested(rows, file, where, nested) if nested else _add_flat(rows, file, where)
    for error in found:
        whole = False
        problem(error)
    table = rows.table()
    if whole:
        cache.save(table)
    return table


def _add_flat(rows: _Rows, file: RangeFile, where: str) -> Iterator[SourceError]:
    """Adds the members of a tar; what is wrong with it comes out."""
    scan = TarScan(file, where)
    try:
        for member in scan.members():
            # Beside its photograph, and so read with the headers.
            is_label = member.name.endswith(_LABEL) and member.size <= _LABEL_BYTES
            rows.add(member, scan.payload(member) if is_label and member.kind == "file" else None)
    except SourceError as error:
        yield error


def _add_nested(rows: _Rows, file: RangeFile, where: str, at_once: int) -> Iterator[SourceError]:
    """Adds the tars in a tar and their members; what is wrong with any comes out."""

    def scanned(tar: Member) -> tuple[list[Member], SourceError | None]:
        inner = f"{where}!{shown(tar.name)}"
        return _members(TarScan(file, inner, tar.offset, tar.offset + tar.size))

    outer, cut = _members(TarScan(file, where))
    tars = [m for m in outer if m.kind == "file" and m.name.endswith(b".tar")]
    for member in outer:
        rows.add(member)
    with ThreadPoolExecutor(at_once) as pool:
        for first in range(0, len(tars), at_once):
            some = tars[first : first + at_once]
            for tar, (members, error) in zip(some, pool.map(scanned, some), strict=True):
                for inside in members:
                    rows.add(inside._replace(name=tar.name + INSIDE + inside.name))
                if error:
                    yield error
    if cut:
        yield cut


def _members(scan: TarScan) -> tuple[list[Member], SourceError | None]:
    """The members of a tar up to where it is damaged, and what is wrong there."""
    found: list[Member] = []
    try:
        found.extend(scan.members())
    except SourceError as error:
        return found, error
    return found, None
