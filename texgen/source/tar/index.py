"""Indexes of tars: which member lies where, found once and cached for the next run.

Reading the headers of a large archive touches all of it: 1.3 million reads in ILSVRC-2012's
138 GB. An index is a small Arrow table, which `IndexCache` keeps on this machine.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.source.base import OnError, map_reporting
from texgen.source.locator import Archive
from texgen.source.paths import displayable
from texgen.source.tar.cache import IndexCache
from texgen.source.tar.sample_names import UNREADABLE, LabelFiles, group_samples, label_key
from texgen.source.tar.scan import TarEntry, TarScan
from texgen.storage import Store
from texgen.storage.ranges import RangeFile

_log = logging.getLogger(__name__)

INSIDE = b"\0"
"""Separates the name of a tar inside a tar from that of its member."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field("name", pa.large_binary()),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("check", pa.uint32()),
        pa.field("label", pa.binary()),
    ]
)
"""Files of a tar, those of a sample side by side; ``label`` is the content of a label file."""

_IGNORED = b"texgen.ignored"
_JSON_LABEL = b"texgen.json-label"
_ROWS_PER_BATCH = 1 << 16
_ROWS_AT_ONCE = 1 << 13
"""Rows that are Python objects at the same time."""

_MIN_PARALLEL = 8
"""Tars whose headers are read in parallel; more where the storage asks for more."""

_UNCOUNTED = ("folder", "label")
"""Kinds of members that hold no data, so that ignoring them loses nothing."""

_JSON_BYTES = 1 << 16
_JSON_SAMPLES = 4
"""Samples whose JSON is searched for a label, although ``--label-field`` does not name one."""


class IndexRow(NamedTuple):
    """A row of a tar's index; see `INDEX_SCHEMA`."""

    name: bytes
    offset: int
    size: int
    check: int
    label: bytes | None


def tar_index(
    files: Store,
    tar: Archive,
    on_error: OnError,
    *,
    nested: bool = False,
    label_field: str | None = None,
) -> ArrowTable:
    r"""Index of a tar; of a damaged tar, the index of its readable beginning.

    Args:
        files: Holds the tar.
        tar: The tar.
        on_error: Called if the tar cannot be opened, is cut off or damaged.
        nested: Whether it is a tar of tars. Their members are listed as ``TAR\0MEMBER``,
            behind a row for the tar itself.
        label_field: See `LabelFiles`.
    """
    is_complete = True

    def report(error: SourceError) -> None:
        nonlocal is_complete
        is_complete = False
        on_error(error)

    try:
        file = files.open(tar.path)
        labels = LabelFiles(label_field)
        cache = IndexCache(file, "nested" if nested else f"flat {labels.field}")
        if (cached := cache.load(INDEX_SCHEMA)) is not None:
            return cached
        _log.info("reading the headers of %s", tar.text)
        builder = _IndexBuilder()
        if nested:
            _add_nested(builder, file, tar.text, _parallel(files), report)
        else:
            _add_flat(builder, TarScan(file, tar.text), labels, report)
        table = builder.table() if nested else group_samples(builder.table())
        if is_complete:
            cache.save(table)
    except OSError as error:
        on_error(SourceError(f"cannot read {tar.text}: {error.strerror or error}"))
        return INDEX_SCHEMA.empty_table()
    else:
        return table


def tar_indexes(
    files: Store, tars: Sequence[Archive], on_error: OnError, label_field: str | None = None
) -> list[ArrowTable]:
    """`tar_index` of several tars in parallel: waiting for storage is most of the cost."""

    def index(tar: Archive, report: OnError) -> ArrowTable:
        return tar_index(files, tar, report, label_field=label_field)

    return list(map_reporting(index, tars, _parallel(files), on_error))


def index_rows(index: ArrowTable) -> Iterator[IndexRow]:
    """The rows of an index, in bounded memory."""
    for batch in index.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = (batch.column(name).to_pylist() for name in INDEX_SCHEMA.names)
        yield from map(IndexRow._make, zip(*columns, strict=True))


def ignored(indexes: Iterable[ArrowTable]) -> str:
    """Numbers of the members that are not files and so not in the indexes: "2 symbolic links"."""
    kinds: Counter[str] = Counter()
    for index in indexes:
        kinds.update(json.loads((index.schema.metadata or {}).get(_IGNORED, b"{}")))
    return ", ".join(pluralize(number, kind) for kind, number in sorted(kinds.items()))


def json_label(index: ArrowTable) -> str | None:
    """The key in the JSON of the first samples that seems to be their label."""
    key: bytes | None = (index.schema.metadata or {}).get(_JSON_LABEL)
    return key.decode() if key else None


def _parallel(files: Store) -> int:
    return max(_MIN_PARALLEL, files.parallel)


class _IndexBuilder:
    """Makes a table of members, in batches that bound the number of Python objects."""

    def __init__(self) -> None:
        self._batches: list[Any] = []
        self._rows: list[tuple[Any, ...]] = []
        self._links: list[tuple[bytes, bytes]] = []
        self._ignored: Counter[str] = Counter()
        self.json_label: str | None = None

    def add(self, member: TarEntry, label: bytes | None = None) -> None:
        """Adds a file or a hard link to one; members of other kinds are only counted."""
        if member.kind == "file":
            self._rows.append((member.name, member.offset, member.size, member.check, label))
        elif member.kind == "hard link":
            self._links.append((member.name, member.link))
        elif member.kind not in _UNCOUNTED:
            self._ignored[member.kind] += 1
        if len(self._rows) == _ROWS_PER_BATCH:
            self._flush()

    def table(self) -> ArrowTable:
        """The index of all members that were added."""
        self._flush()
        if self._links:
            self._resolve_links()
        metadata = {_IGNORED: json.dumps(self._ignored, sort_keys=True)}
        if self.json_label:
            metadata[_JSON_LABEL] = self.json_label
        return pa.Table.from_batches(self._batches).cast(INDEX_SCHEMA.with_metadata(metadata))

    def _resolve_links(self) -> None:
        """Adds hard links: a hard link is one more name of an earlier file of the tar."""
        targets = {target for _, target in self._links}
        linked: dict[bytes, tuple[Any, ...]] = {}
        for batch in self._batches:
            is_target = pc.is_in(batch["name"], pa.array(targets, pa.large_binary()))
            rows = batch.filter(is_target).to_pylist()
            linked.update((row["name"], tuple(row.values())[1:]) for row in rows)
        for name, target in self._links:
            if target not in linked:
                self._ignored["dangling hard link"] += 1
                continue
            self._rows.append((name, *linked[target]))
            linked[name] = linked[target]
        self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in INDEX_SCHEMA)
        self._batches.append(pa.record_batch([list(c) for c in columns], schema=INDEX_SCHEMA))
        self._rows.clear()


def _add_flat(builder: _IndexBuilder, scan: TarScan, labels: LabelFiles, on_error: OnError) -> None:
    """Adds the members of a tar up to where it is damaged."""
    json_samples = 0
    for member in _members(scan, on_error):
        # A label file lies beside its image, so that it is read along with the headers.
        label = None
        if member.kind == "file" and labels.fits(member.name):
            is_small = member.size <= labels.max_bytes
            label = labels.label(scan.payload(member)) if is_small else UNREADABLE
        elif json_samples < _JSON_SAMPLES and _is_small_json(member):
            json_samples += 1
            builder.json_label = builder.json_label or label_key(scan.payload(member))
        builder.add(member, label)


def _is_small_json(member: TarEntry) -> bool:
    is_json = member.kind == "file" and member.name.endswith(b".json")
    return is_json and member.size <= _JSON_BYTES


def _add_nested(
    builder: _IndexBuilder, file: RangeFile, display_name: str, parallel: int, on_error: OnError
) -> None:
    """Adds the tars in a tar and their members."""

    def scan_inner(tar: TarEntry, report: OnError) -> list[TarEntry]:
        inner_name = f"{display_name}!{displayable(tar.name)}"
        scan = TarScan(file, inner_name, tar.offset, tar.offset + tar.size)
        return list(_members(scan, report))

    outer_errors = list[SourceError]()
    outer = list(_members(TarScan(file, display_name), outer_errors.append))
    tars = [m for m in outer if m.kind == "file" and m.name.endswith(b".tar")]
    for member in outer:
        builder.add(member)
    inner = map_reporting(scan_inner, tars, parallel, on_error)
    for tar, members in zip(tars, inner, strict=True):
        for member in members:
            link = member.link and tar.name + INSIDE + member.link
            builder.add(member._replace(name=tar.name + INSIDE + member.name, link=link))
    for error in outer_errors:
        on_error(error)


def _members(scan: TarScan, on_error: OnError) -> Iterator[TarEntry]:
    """The members of a tar up to where it is damaged."""
    try:
        yield from scan.members()
    except SourceError as error:
        on_error(error)
