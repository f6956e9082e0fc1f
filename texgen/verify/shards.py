"""A shard's bytes against the index, and its members against the manifest."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from texgen.core.errors import StorageError
from texgen.core.text import pluralize
from texgen.dataset.index import Index, ShardFile
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.shards import TarMember, provenance, read_members
from texgen.storage import Sink
from texgen.verify.index_checks import byte_faults
from texgen.verify.pixel_checks import DeepInspection


@dataclass(frozen=True, slots=True)
class ShardWork:
    """A shard to check.

    Attributes:
        file: As the index has it.
        rows: Its manifest rows, failed ones too; None where the manifest cannot be trusted.
        inspection: Of its textures, or None.
    """

    file: ShardFile
    rows: list[ManifestRow] | None
    inspection: DeepInspection | None = None


@dataclass(slots=True)
class ShardResult:
    """What was found in a shard, and in SRC on the way.

    Attributes:
        file: As the index has it.
        faults: In the shard, whatever SRC is.
        differences: Between the shard and SRC.
        sources: In SRC.
        unread: Whether the shard is there, but could not be read.
    """

    file: ShardFile
    faults: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    unread: bool = False


def check_shard(work: ShardWork, index: Index, sink: Sink) -> ShardResult:
    """Reads a shard once."""
    result = ShardResult(work.file)
    result.faults += _shard(work, index, sink, result)
    if work.inspection is not None:
        result.faults += work.inspection.faults()
        result.differences += work.inspection.differences()
        result.sources += work.inspection.source_faults()
    return result


def _shard(work: ShardWork, index: Index, sink: Sink, result: ShardResult) -> Iterator[str]:
    file, rows, inspection = work.file, work.rows, work.inspection
    there = None if rows is None else [row for row in rows if row["status"] == "ok"]
    if there is not None and len(there) != file.samples:
        found = (
            f"{pluralize(file.samples, 'sample')}, the manifest has {pluralize(len(there), 'row')}"
        )
        yield f"{file.path}: {found}"
    try:
        with sink.open(file.path) as stream:
            faults = list(byte_faults(file.path, file.bytes, file.sha256, stream))
            yield from faults
            if not faults and there is not None:
                yield from _members(file.path, read_members(stream), there, index, inspection)
    except StorageError as error:
        result.unread = not isinstance(error.__cause__, FileNotFoundError)
        yield f"{file.path}: {error}"
    except tarfile.TarError as error:
        yield f"{file.path}: not a readable tar ({error})"
    if inspection is not None:
        for row in rows or ():
            if row["status"] != "ok":
                inspection.failed(row)


def _members(
    path: str,
    members: Iterable[TarMember],
    rows: list[ManifestRow],
    index: Index,
    inspection: DeepInspection | None,
) -> Iterator[str]:
    """A shard's members against its manifest rows, both in order."""
    found = iter(members)
    for row in rows:
        for name, expected in _expected(row, index):
            member = next(found, None)
            if member is None or member.name != name:
                yield f"{path}: {member.name if member else 'the end'} where {name} belongs"
                return
            if isinstance(expected, bytes):
                if member.data != expected:
                    yield f"{path}: {name} does not say what the manifest says"
                continue
            faults = list(_image(path, member, row))
            yield from faults
            if inspection is not None and not faults:
                inspection.texture(row, member.data)
    if (extra := next(found, None)) is not None:
        yield f"{path}: {extra.name} is not in the manifest"


def _expected(row: ManifestRow, index: Index) -> Iterator[tuple[str, bytes | None]]:
    """Name and, but for the image, content of a row's members."""
    key = row["key"]
    if row["label"] is not None:
        yield f"{key}.cls", str(row["label"]).encode()
    engine, version = index.config["engine"], index.config["engine_version"]
    yield f"{key}.json", provenance(row, engine, version)
    yield f"{key}.{index.config['format']}", None


def _image(path: str, member: TarMember, row: ManifestRow) -> Iterator[str]:
    there = (member.offset, len(member.data))
    if there != (row["offset"], row["length"]):
        yield f"{path}: {member.name} lies at {there}, the manifest says otherwise"
    if hashlib.sha256(member.data).hexdigest() != row["sha256"]:
        yield f"{path}: {member.name} has other bytes than the manifest says"
