"""A finished data set against its index: every file, sample and manifest row."""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from texgen.config import canonical_json
from texgen.cpus import available_cpus
from texgen.errors import StorageError
from texgen.index import INDEX, Index, ManifestFile, ShardFile, SplitIndex, read_index, stray_files
from texgen.manifest import has_schema, manifest_path, read_rows
from texgen.plan import PLAN, load_plan
from texgen.rowcheck import row_faults
from texgen.shards import TarMember, read_members
from texgen.storage import Sink
from texgen.types import ArrowFile, shard_path
from texgen.words import count_of, plain


@dataclass
class Report:
    """What was found.

    Attributes:
        shards: Shards read.
        textures: Textures read.
        rows: Manifest rows read.
        faults: What is wrong, a sentence each that begins with the file.
        notes: What is not checked, and why.
        delete: Paths of shards that a build makes again once they are deleted.
        strays: Paths of files that are not the data set's.
        mendable: Whether a build goes on in OUT; where ``_build`` is gone, none does.
    """

    shards: int = 0
    textures: int = 0
    rows: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    mendable: bool = True

    def add(self, faults: Iterable[str]) -> None:
        """Takes faults in, each on one line whatever name it holds."""
        self.faults += map(plain, faults)


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
    there = sink.list("")
    report.mendable = sink.foreign() is None
    report.strays = stray_files(index, there)
    report.add(f"{path}: not in the index" for path in report.strays)
    report.add(_card(index, sink, report.notes, planned=PLAN in there))
    for name, split in sorted(index.splits.items()):
        _verify_split(name, split, index, sink, report, workers or available_cpus())
    report.delete = [path for path in report.delete if path in there]
    return report


def _card(index: Index, sink: Sink, notes: list[str], *, planned: bool) -> Iterator[str]:
    """The index against the plan, where there still is one."""
    try:
        plan = load_plan(sink) if planned else None
    except (ValueError, StorageError):
        plan = None
    if plan is None:
        notes.append(
            f"no whole {PLAN}: name, fingerprint and classes without photographs are not checked"
        )
        return
    splits = {s.name: (s.images, list(s.classes)) for s in plan.splits}
    expected: dict[str, tuple[object, object]] = {
        "name": (plan.name, index.name),
        "fingerprint": (plan.fingerprint, index.fingerprint),
        "config": (plan.config, index.config),
        "splits": (sorted(splits), sorted(index.splits)),
    }
    for name in splits.keys() & index.splits.keys():
        found = index.splits[name]
        expected[f"{name}: images or classes"] = (splits[name], (found.images, list(found.classes)))
    for what, (said, is_) in expected.items():
        if said != is_:
            yield f"{INDEX}: {what} differ from the plan's"


def _verify_split(
    name: str, split: SplitIndex, index: Index, sink: Sink, report: Report, workers: int
) -> None:
    rows: dict[str, list[dict[str, Any]]] = {file.path: [] for file in split.shards}
    report.add(_order(name, split))
    counts = _Counts()
    for manifest in split.manifest:
        report.add(_manifest(manifest, split, index, sink, counts, rows))
    report.rows += counts.rows
    report.add(_counted(name, split, index, counts))
    with ThreadPoolExecutor(workers) as threads:
        checks = threads.map(
            lambda file: list(_shard(file, rows[file.path] if counts.whole else None, index, sink)),
            split.shards,
        )
        for number, (file, faults) in enumerate(zip(split.shards, checks, strict=True)):
            report.shards += 1
            report.textures += file.samples
            report.add(faults)
            # An index that was tampered with must not name other files to delete.
            if faults and file.path == shard_path(name, number):
                report.delete.append(file.path)


def _order(name: str, split: SplitIndex) -> Iterator[str]:
    """Whether the index names a split's files as they are named, in order."""
    manifests = [(file.path, manifest_path(name, i)) for i, file in enumerate(split.manifest)]
    shards = [(file.path, shard_path(name, i)) for i, file in enumerate(split.shards)]
    for path, expected in (*manifests, *shards):
        if path != expected:
            yield f"{INDEX}: {name} has {path} where {expected} belongs"
            return


@dataclass
class _Counts:
    """What a split's manifests hold; ``whole`` where all of them can be read."""

    whole: bool = True
    rows: int = 0
    failed: int = 0
    last_key: str = ""


def _counted(name: str, split: SplitIndex, index: Index, counts: _Counts) -> Iterator[str]:
    shards = sum(file.samples for file in split.shards)
    expected = {"textures": (split.textures, shards)}
    # Rows that cannot be read are one fault already.
    if counts.whole:
        planned = split.images * int(index.config["textures_per_image"])
        expected |= {"rows": (planned, counts.rows), "failed rows": (split.failed, counts.failed)}
    for what, (said, found) in expected.items():
        if said != found:
            yield f"{INDEX}: {name} has {said} {what}, its files have {found}"


def _manifest(
    file: ManifestFile,
    split: SplitIndex,
    index: Index,
    sink: Sink,
    counts: _Counts,
    rows: dict[str, list[dict[str, Any]]],
) -> Iterator[str]:
    before = counts.rows
    whole, counts.whole = counts.whole, False
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
            yield from _rows(file.path, read_rows(stream), split, index, counts, rows)
    except (StorageError, pa.ArrowException, OSError, ValueError) as error:
        yield f"{file.path}: cannot be read ({error})"
        return
    counts.whole = whole
    if counts.rows - before != file.rows:
        found = count_of(counts.rows - before, "row")
        yield f"{file.path}: {found}, the index says {file.rows}"


def _rows(
    path: str,
    found: Iterable[dict[str, Any]],
    split: SplitIndex,
    index: Index,
    counts: _Counts,
    rows: dict[str, list[dict[str, Any]]],
) -> Iterator[str]:
    """Faults of a manifest's rows, one of each kind: an edited card may belie all of them."""
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for row in found:
        for kind, what in row_faults(row, counts.last_key, split.classes, rows, index.config):
            first.setdefault(kind, f"{row['key']} {what}")
            times[kind] += 1
        counts.last_key = row["key"]
        counts.rows += 1
        counts.failed += row["status"] == "failed"
        if row["status"] == "ok" and row["shard"] in rows:
            rows[row["shard"]].append(row)
    for kind, what in first.items():
        more = f" (and {count_of(times[kind] - 1, 'row')} more)" if times[kind] > 1 else ""
        yield f"{path}: {what}{more}"


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


def _shard(
    file: ShardFile, rows: list[dict[str, Any]] | None, index: Index, sink: Sink
) -> Iterator[str]:
    """A shard's bytes, and its members against ``rows`` where the manifest can be read."""
    if rows is not None and len(rows) != file.samples:
        found = f"{count_of(file.samples, 'sample')}, the manifest has {count_of(len(rows), 'row')}"
        yield f"{file.path}: {found}"
    try:
        with sink.open(file.path) as stream:
            faults = list(_bytes(file.path, file.bytes, file.sha256, stream))
            yield from faults
            if not faults and rows is not None:
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
