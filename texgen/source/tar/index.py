"""What lies where in a tar, found out once and kept for the next run.

Reading the headers of a large archive touches all of it: 1.3 million reads in
ILSVRC-2012's 138 GB. An index is a small Arrow table, and a cache on this machine keeps it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.source.archive.split import Archive
from texgen.source.base import OnError, displayable
from texgen.source.tar.cache import IndexCache
from texgen.source.tar.sample_names import UNREADABLE, LabelFiles, label_key, side_by_side
from texgen.source.tar.scan import TarEntry, TarScan
from texgen.storage.filesystem import FileSystem
from texgen.storage.ranges import RangeFile

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
"""Files of a tar, those of a sample side by side; ``label`` is what a file of labels says."""

_IGNORED = b"texgen.ignored"
_JSON_LABEL = b"texgen.json-label"
_ROWS = 1 << 16
_ROWS_AT_ONCE = 1 << 13
_AT_ONCE = 8
"""Tars whose headers are read side by side, if their storage does not ask for more."""

_NOTHING = ("folder", "label")
"""Kinds of members that hold nothing which could be missed."""

_JSON_BYTES = 1 << 16
_TRIED = 4
"""Samples whose JSON is looked at for a label that nobody asked for."""


def tar_index(
    files: FileSystem,
    path: str,
    where: str,
    problem: OnError,
    *,
    nested: bool = False,
    label_field: str | None = None,
) -> ArrowTable:
    r"""The index of a tar; of what could be read of it, where the rest is a problem.

    Args:
        files: Holds the tar.
        path: Of the tar.
        where: Its name, for people.
        problem: Called where the tar cannot be opened, is cut off or damaged.
        nested: Whether it is a tar of tars: their members are listed as ``TAR\0MEMBER``,
            behind a row for the tar itself.
        label_field: See `LabelFiles`.
    """
    try:
        file = files.open(path)
        labels = LabelFiles(label_field)
        cache = IndexCache(file, "nested" if nested else f"flat {labels.field}")
        if (found := cache.load(SCHEMA)) is not None:
            return found
        return _make(file, where, problem, cache, labels, _at_once(files) if nested else None)
    except OSError as error:
        problem(SourceError(f"cannot read {where}: {error.strerror or error}"))
        return SCHEMA.empty_table()


def ignored(indexes: Iterable[ArrowTable]) -> str:
    """What the tars hold beside files, none of which is in the tables: "2 symbolic links"."""
    kinds: Counter[str] = Counter()
    for index in indexes:
        kinds.update(json.loads((index.schema.metadata or {}).get(_IGNORED, b"{}")))
    return ", ".join(pluralize(number, kind) for kind, number in sorted(kinds.items()))


class IndexRow(NamedTuple):
    """A row of a tar's index; see `SCHEMA`."""

    name: bytes
    offset: int
    size: int
    check: int
    label: bytes | None


def index_rows(index: ArrowTable) -> Iterator[IndexRow]:
    """The rows of a tar's index, in bounded memory."""
    for batch in index.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = (batch.column(name).to_pylist() for name in SCHEMA.names)
        yield from map(IndexRow._make, zip(*columns, strict=True))


def json_label(index: ArrowTable) -> str | None:
    """The key in the JSON of the first samples that seems to be their label."""
    found: bytes | None = (index.schema.metadata or {}).get(_JSON_LABEL)
    return found.decode() if found else None


def tar_indexes(
    files: FileSystem,
    root: str,
    tars: Sequence[Archive],
    problem: OnError,
    label_field: str | None = None,
) -> list[ArrowTable]:
    """`tar_index` of several tars at once: the wait for storage is most of what it costs.

    Problems come in the order of the tars.
    """

    def index(tar: Archive) -> tuple[ArrowTable, list[SourceError]]:
        path, found = f"{root}/{tar.path}", list[SourceError]()
        table = tar_index(files, path, tar.text, found.append, label_field=label_field)
        return table, found

    tables = []
    with ThreadPoolExecutor(_at_once(files)) as pool:
        try:
            for table, found in pool.map(index, tars):
                tables.append(table)
                for error in found:
                    problem(error)
        finally:
            # Where a problem is raised, nobody needs the rest.
            pool.shutdown(cancel_futures=True)
    return tables


def _at_once(files: FileSystem) -> int:
    return max(_AT_ONCE, files.parallel)


class _Rows:
    """Takes members and makes a table of them, in batches that bound what is in memory."""

    def __init__(self) -> None:
        self._batches: list[Any] = []
        self._rows: list[tuple[Any, ...]] = []
        self._links: list[tuple[bytes, bytes]] = []
        self._others: Counter[str] = Counter()
        self.json_label: str | None = None

    def add(self, member: TarEntry, label: bytes | None = None) -> None:
        """Takes a member; what is neither a file nor a link to one is only counted."""
        if member.kind == "file":
            self._rows.append((member.name, member.offset, member.size, member.check, label))
        elif member.kind == "hard link":
            self._links.append((member.name, member.link))
        elif member.kind not in _NOTHING:
            self._others[member.kind] += 1
        if len(self._rows) == _ROWS:
            self._flush()

    def table(self) -> ArrowTable:
        """All of them."""
        self._flush()
        if self._links:
            self._resolve_links()
        about = {_IGNORED: json.dumps(self._others, sort_keys=True)}
        if self.json_label:
            about[_JSON_LABEL] = self.json_label
        return pa.Table.from_batches(self._batches).cast(SCHEMA.with_metadata(about))

    def _resolve_links(self) -> None:
        """A hard link is one more name of a file that the tar has held before."""
        targets = {target for _, target in self._links}
        there: dict[bytes, tuple[Any, ...]] = {}
        for batch in self._batches:
            wanted = pc.is_in(batch["name"], pa.array(targets, pa.large_binary()))
            rows = batch.filter(wanted).to_pylist()
            there.update((row["name"], tuple(row.values())[1:]) for row in rows)
        for name, target in self._links:
            if target not in there:
                self._others["dangling hard link"] += 1
                continue
            self._rows.append((name, *there[target]))
            there[name] = there[target]
        self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in SCHEMA)
        self._batches.append(pa.record_batch([list(c) for c in columns], schema=SCHEMA))
        self._rows.clear()


def _make(
    file: RangeFile,
    where: str,
    problem: OnError,
    cache: IndexCache,
    labels: LabelFiles,
    nested: int | None,
) -> ArrowTable:
    """Reads all headers, of tars inside it ``nested`` at once; None where it has none."""
    _log.info("reading the headers of %s", where)
    rows = _Rows()
    whole = True
    found = (
        _add_nested(rows, file, where, nested) if nested else _add_flat(rows, file, where, labels)
    )
    for error in found:
        whole = False
        problem(error)
    table = rows.table() if nested else side_by_side(rows.table())
    if whole:
        cache.save(table)
    return table


def _add_flat(
    rows: _Rows, file: RangeFile, where: str, labels: LabelFiles
) -> Iterator[SourceError]:
    """Adds the members of a tar; what is wrong with it comes out."""
    scan = TarScan(file, where)
    tried = 0
    try:
        for member in scan.members():
            # Beside its photograph, and so read with the headers.
            label = None
            if member.kind == "file" and labels.fits(member.name):
                small = labels.is_small(member.size)
                label = labels.label(scan.payload(member)) if small else UNREADABLE
            elif tried < _TRIED and _is_small_json(member):
                tried += 1
                rows.json_label = rows.json_label or label_key(scan.payload(member))
            rows.add(member, label)
    except SourceError as error:
        yield error


def _is_small_json(member: TarEntry) -> bool:
    is_json = member.kind == "file" and member.name.endswith(b".json")
    return is_json and member.size <= _JSON_BYTES


def _add_nested(rows: _Rows, file: RangeFile, where: str, at_once: int) -> Iterator[SourceError]:
    """Adds the tars in a tar and their members; what is wrong with any comes out."""

    def scanned(tar: TarEntry) -> tuple[list[TarEntry], SourceError | None]:
        inner = f"{where}!{displayable(tar.name)}"
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
                    rows.add(_inside(tar.name, inside))
                if error:
                    yield error
    if cut:
        yield cut


def _inside(tar: bytes, member: TarEntry) -> TarEntry:
    """A member of a tar inside a tar."""
    link = member.link and tar + INSIDE + member.link
    return member._replace(name=tar + INSIDE + member.name, link=link)


def _members(scan: TarScan) -> tuple[list[TarEntry], SourceError | None]:
    """The members of a tar up to where it is damaged, and what is wrong there."""
    found: list[TarEntry] = []
    try:
        found.extend(scan.members())
    except SourceError as error:
        return found, error
    return found, None
