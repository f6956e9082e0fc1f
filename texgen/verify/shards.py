"""Checks a shard's bytes against the index, and its members against the manifest."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from texgen.core.errors import StorageError
from texgen.core.text import pluralize
from texgen.dataset.index import Index, ShardFile
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.shards import TarMember, provenance_json, read_members
from texgen.storage import Sink
from texgen.verify.index_checks import byte_faults
from texgen.verify.pixel_checks import ShardInspection


@dataclass(slots=True)
class ShardCheck:
    """A shard to check, and then its faults.

    Attributes:
        file: Entry of the shard in the index.
        rows: Manifest rows of the shard, failed rows too; None if the manifest is not trusted, and
            once the shard is checked.
        inspection: Check of its textures, or None likewise.
        faults: Faults of the shard, whatever SRC is.
        differences: Differences between the shard and SRC.
        sources: Faults of SRC.
        unread: Whether the shard is there, but could not be read.
    """

    file: ShardFile
    rows: list[ManifestRow] | None
    inspection: ShardInspection | None = None
    faults: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    unread: bool = False


def check_shard(check: ShardCheck, index: Index, sink: Sink) -> ShardCheck:
    """Reads a shard once and fills in its faults."""
    check.faults += _shard_faults(check, index, sink)
    if check.inspection is not None:
        check.faults += check.inspection.faults.lines()
        check.differences += check.inspection.differences.lines()
        check.sources += check.inspection.source_faults.lines()
    # Checked shards wait for slower ones before them, and an inspection holds a decoded image.
    check.rows = check.inspection = None
    return check


def _shard_faults(check: ShardCheck, index: Index, sink: Sink) -> Iterator[str]:
    file, rows, inspection = check.file, check.rows, check.inspection
    made = None if rows is None else [row for row in rows if row["status"] == "ok"]
    if made is not None and len(made) != file.samples:
        samples = pluralize(file.samples, "sample")
        yield f"{file.path}: {samples}, the manifest has {pluralize(len(made), 'row')}"
    try:
        with sink.open(file.path) as stream:
            faults = list(byte_faults(file.path, file.bytes, file.sha256, stream))
            yield from faults
            if not faults and made is not None:
                yield from _member_faults(file.path, read_members(stream), made, index, inspection)
    except StorageError as error:
        check.unread = not isinstance(error.__cause__, FileNotFoundError)
        yield f"{file.path}: {error}"
    except tarfile.TarError as error:
        yield f"{file.path}: not a readable tar ({error})"
    if inspection is not None:
        for row in rows or ():
            if row["status"] != "ok":
                inspection.check_failed_row(row)


def _member_faults(
    path: str,
    members: Iterable[TarMember],
    rows: list[ManifestRow],
    index: Index,
    inspection: ShardInspection | None,
) -> Iterator[str]:
    """Compares a shard's members with its manifest rows, both in order."""
    remaining = iter(members)
    for row in rows:
        for name, expected in _expected_members(row, index):
            member = next(remaining, None)
            if member is None or member.name != name:
                yield f"{path}: {member.name if member else 'its end'} where {name} belongs"
                return
            if isinstance(expected, bytes):
                if member.data != expected:
                    yield f"{path}: the content of {name} differs from the manifest"
                continue
            faults = list(_texture_faults(path, member, row))
            yield from faults
            if inspection is not None and not faults:
                inspection.check_texture(row, member.data)
    if (extra := next(remaining, None)) is not None:
        yield f"{path}: {extra.name} is not in the manifest"


def _expected_members(row: ManifestRow, index: Index) -> Iterator[tuple[str, bytes | None]]:
    """Yields name and content of a row's members; None for the content of the texture."""
    key = row["key"]
    if row["label"] is not None:
        yield f"{key}.cls", str(row["label"]).encode()
    engine, version = index.config["engine"], index.config["engine_version"]
    yield f"{key}.json", provenance_json(row, engine, version)
    yield f"{key}.{index.config['format']}", None


def _texture_faults(path: str, member: TarMember, row: ManifestRow) -> Iterator[str]:
    location = (member.offset, len(member.data))
    if location != (row["offset"], row["length"]):
        yield f"{path}: {member.name} has offset and length {location}, not those of the manifest"
    if hashlib.sha256(member.data).hexdigest() != row["sha256"]:
        yield f"{path}: {member.name} has another SHA-256 than in the manifest"
