"""A finished data set against its index: every file, sample and manifest row."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from texgen.config import canonical_json
from texgen.cpus import available_cpus
from texgen.errors import StorageError
from texgen.index import INDEX, Index, ManifestFile, ShardFile, SplitIndex, read_index
from texgen.manifest import has_schema, read_rows
from texgen.shards import TarMember, read_members
from texgen.storage import Sink
from texgen.types import ArrowFile


@dataclass
class Report:
    """What was found.

    Attributes:
        shards: Shards read.
        textures: Textures read.
        rows: Manifest rows read.
        faults: What is wrong, a sentence each that begins with the file.
        notes: What is not checked, and why.
    """

    shards: int = 0
    textures: int = 0
    rows: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(sink: Sink, workers: int | None = None) -> Report:
    """Checks a finished data set.

    Every byte is read once. Memory is bounded by a manifest file and a shard.

    Args:
        sink: OUT.
        workers: Shards read side by side; None is one a processor.

    Raises:
        DatasetError: If there is no index.
    """
    index = read_index(sink)
    report = Report()
    if index.config.get("engine") == "embark-cli":
        report.notes.append("made by embark-cli, which is threaded: another build differs")
    report.faults += _stray(index, sink)
    for name, split in sorted(index.splits.items()):
        _verify_split(name, split, index, sink, report, workers or available_cpus())
    return report


def _stray(index: Index, sink: Sink) -> Iterator[str]:
    known = {INDEX}
    for split in index.splits.values():
        known |= {file.path for file in split.manifest}
        known |= {file.path for file in split.shards}
    for path in sorted(sink.list("")):
        if path not in known and not path.startswith("_build/"):
            yield f"{path}: not in the index"


def _verify_split(
    name: str, split: SplitIndex, index: Index, sink: Sink, report: Report, workers: int
) -> None:
    rows: dict[str, list[dict[str, Any]]] = {file.path: [] for file in split.shards}
    counts = _Counts()
    for manifest in split.manifest:
        report.faults += _manifest(manifest, split, sink, counts, rows)
    report.rows += counts.rows
    report.faults += _counted(name, split, index, counts)
    with ThreadPoolExecutor(workers) as threads:
        checks = threads.map(
            lambda file: list(_shard(file, rows[file.path], index, sink)), split.shards
        )
        for file, faults in zip(split.shards, checks, strict=True):
            report.shards += 1
            report.textures += file.samples
            report.faults += faults


@dataclass
class _Counts:
    """What a split's manifests hold."""

    rows: int = 0
    failed: int = 0
    last_key: str = ""


def _counted(name: str, split: SplitIndex, index: Index, counts: _Counts) -> Iterator[str]:
    expected = {
        "rows": (split.images * int(index.config["textures_per_image"]), counts.rows),
        "failed rows": (split.failed, counts.failed),
        "textures": (split.textures, sum(file.samples for file in split.shards)),
    }
    for what, (said, found) in expected.items():
        if said != found:
            yield f"{INDEX}: {name} has {said} {what}, its files have {found}"


def _manifest(
    file: ManifestFile,
    split: SplitIndex,
    sink: Sink,
    counts: _Counts,
    rows: dict[str, list[dict[str, Any]]],
) -> Iterator[str]:
    before = counts.rows
    try:
        with sink.open(file.path) as stream:
            faults = list(_bytes(file.path, file.bytes, file.sha256, stream))
            yield from faults
            # Damaged bytes are not parsed: what Parquet would make of them says nothing.
            if faults:
                return
            if not has_schema(stream):
                yield f"{file.path}: its columns are not those of a manifest"
                return
            for row in read_rows(stream):
                yield from _row(file.path, row, split, counts, rows)
    except (StorageError, pa.ArrowException, OSError, ValueError) as error:
        yield f"{file.path}: cannot be read ({error})"
    if counts.rows - before != file.rows:
        yield f"{file.path}: {counts.rows - before} rows, the index says {file.rows}"


def _row(
    path: str,
    row: dict[str, Any],
    split: SplitIndex,
    counts: _Counts,
    rows: dict[str, list[dict[str, Any]]],
) -> Iterator[str]:
    key, place = row["key"], [row[name] for name in ("shard", "offset", "length", "sha256")]
    if key <= counts.last_key:
        yield f"{path}: {key} does not sort after {counts.last_key}"
    counts.last_key = key
    counts.rows += 1
    counts.failed += row["status"] == "failed"
    if not _labelled(row, split):
        yield f"{path}: {key} has label {row['label']}, class {row['class']}; the index differs"
    if row["status"] == "ok" and row["error"] is None and None not in place:
        if row["shard"] in rows:
            rows[row["shard"]].append(row)
        else:
            yield f"{path}: {key} names the shard {row['shard']}, which the index lacks"
    elif row["status"] != "failed" or not row["error"] or any(place):
        yield f"{path}: {key} is neither a texture nor a failed row"


def _labelled(row: dict[str, Any], split: SplitIndex) -> bool:
    label = row["label"]
    if label is None or not 0 <= label < len(split.classes):
        return label is None and row["class"] is None and not split.classes
    return bool(split.classes[label] == row["class"])


def _bytes(path: str, size: int, sha256: str, stream: ArrowFile) -> Iterator[str]:
    """Faults of an open file's bytes; leaves it at its begin."""
    found = stream.size()
    if found != size:
        yield f"{path}: {found} bytes, the index says {size}"
        return
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    stream.seek(0)
    if digest.hexdigest() != sha256:
        yield f"{path}: its bytes are not those of the index"


def _shard(file: ShardFile, rows: list[dict[str, Any]], index: Index, sink: Sink) -> Iterator[str]:
    if len(rows) != file.samples:
        yield f"{file.path}: {file.samples} samples, the manifest has {len(rows)} rows"
    try:
        with sink.open(file.path) as stream:
            faults = list(_bytes(file.path, file.bytes, file.sha256, stream))
            yield from faults
            if not faults:
                yield from _members(file.path, read_members(stream), rows, index)
    except StorageError as error:
        yield f"{file.path}: {error}"
    except tarfile.TarError as error:
        yield f"{file.path}: not a readable tar ({error})"


def _members(
    path: str, members: Iterable[TarMember], rows: list[dict[str, Any]], index: Index
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
            else:
                yield from _image(path, member, row)
    if (extra := next(found, None)) is not None:
        yield f"{path}: {extra.name} is not in the manifest"


def _expected(row: dict[str, Any], index: Index) -> Iterator[tuple[str, bytes | None]]:
    """Name and, but for the image, content of a row's members."""
    key = row["key"]
    if row["label"] is not None:
        yield f"{key}.cls", str(row["label"]).encode()
    plain = ("key", "source", "label", "class", "width", "height", "patch_size", "texture_index")
    about = {name: row[name] for name in (*plain, "seed")}
    about["center"] = [row["center_x"], row["center_y"]]
    about["random"] = [row["random_x"], row["random_y"]]
    about |= {name: index.config[name] for name in ("engine", "engine_version")}
    yield f"{key}.json", canonical_json(about)
    yield f"{key}.{index.config['format']}", None


def _image(path: str, member: TarMember, row: dict[str, Any]) -> Iterator[str]:
    there = (member.offset, len(member.data))
    if there != (row["offset"], row["length"]):
        yield f"{path}: {member.name} lies at {there}, the manifest says otherwise"
    if hashlib.sha256(member.data).hexdigest() != row["sha256"]:
        yield f"{path}: {member.name} has other bytes than the manifest says"
