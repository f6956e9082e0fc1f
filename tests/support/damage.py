"""Damages a finished data set in many ways, and runs `verify` on it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from texgen.core.fingerprint import canonical_json
from texgen.storage import Sink
from texgen.verify import VerifyReport, verify

SHARD = "train/train-000001.tar"
MANIFEST = "manifest/train-00000.parquet"
Members = list[tuple[str, bytes]]


def check(out: Path) -> VerifyReport:
    return verify(Sink(out), workers=2)


def assert_named(out: Path, path: str) -> None:
    faults = check(out).faults
    assert any(fault.startswith(f"{path}: ") for fault in faults), faults


def edit_index(out: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    card = json.loads((out / "index.json").read_text())
    edit(card)
    (out / "index.json").write_text(json.dumps(card))


def trust(out: Path, path: str) -> None:
    """Puts the file's size and sum into the index, so that only its content can be wrong."""
    data = (out / path).read_bytes()

    def edit(card: dict[str, Any]) -> None:
        for split in card["splits"].values():
            for file in (*split["shards"], *split["manifest"]):
                if file["path"] == path:
                    file["bytes"], file["sha256"] = len(data), hashlib.sha256(data).hexdigest()

    edit_index(out, edit)


def members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(info.name, tar.extractfile(info).read()) for info in tar]


def retar(path: Path, content: Members) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o444
            tar.addfile(info, io.BytesIO(data))


def rewrite_rows(out: Path, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    table = pq.read_table(out / MANIFEST)
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out / MANIFEST)
    trust(out, MANIFEST)


def flip(out: Path, path: str) -> None:
    """Flips a bit in the middle of a file."""
    data = bytearray((out / path).read_bytes())
    data[len(data) // 2] ^= 1
    (out / path).write_bytes(data)


INDEX_EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a shard is left out": lambda card: card["splits"]["train"]["shards"].pop(0),
    "a split is left out": lambda card: card["splits"].pop("val"),
    "classes are swapped": lambda card: card["splits"]["train"]["classes"].reverse(),
    "a class is left out": lambda card: card["splits"]["train"]["classes"].pop(),
    "another engine": lambda card: card["config"].update(engine="embark"),
    "another engine version": lambda card: card["config"].update(engine_version="99"),
    "another format": lambda card: card["config"].update(format="jpg"),
    "another name": lambda card: card.update(name="x"),
    "another fingerprint": lambda card: card.update(fingerprint="0" * 64),
    "another seed": lambda card: card["config"].update(seed=1),
    "another patch size": lambda card: card["config"].update(patch_size=7, small_patch_size=5),
    "another limit": lambda card: card["config"].update(limit=7),
    "shards in another order": lambda card: card["splits"]["train"]["shards"].reverse(),
    "a class without images": lambda card: card["splits"]["train"]["classes"].append("z"),
    "more textures an image": lambda card: card["config"].update(textures_per_image=3),
}


Rows = list[dict[str, Any]]
Images = dict[str, bytes]


def forge(out: Path, edit: Callable[[Rows, Images], object], split: str = "train") -> None:
    """Changes rows and textures of a split, and every sum and count that depends on them.

    Args:
        out: The data set; only ``_build`` stays as it was.
        edit: Function that gets the manifest's rows and the textures by key.
        split: Name of the split.
    """
    manifest = f"manifest/{split}-00000.parquet"
    table = pq.read_table(out / manifest)
    rows = table.to_pylist()
    shards = sorted((out / split).glob("*.tar"))
    suffix = "." + json.loads((out / "index.json").read_text())["config"]["format"]
    content = dict(member for shard in shards for member in members(shard))
    images = {n.removesuffix(suffix): d for n, d in content.items() if n.endswith(suffix)}
    provenance = {n: json.loads(data) for n, data in content.items() if n.endswith(".json")}
    edit(rows, images)
    samples = {}
    for shard in shards:
        path = shard.relative_to(out).as_posix()
        here = [row for row in rows if row["shard"] == path]
        retar(shard, [m for row in here for m in forged(row, images, provenance, suffix)])
        samples[path] = len(here)
        with tarfile.open(shard) as tar:
            for row in here:
                row["offset"] = tar.getmember(row["key"] + suffix).offset_data
                row["length"] = len(images[row["key"]])
                row["sha256"] = hashlib.sha256(images[row["key"]]).hexdigest()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out / manifest)

    def count(card: dict[str, Any]) -> None:
        about = card["splits"][split]
        about["failed"] = sum(row["status"] == "failed" for row in rows)
        about["textures"] = len(rows) - about["failed"]
        for file in about["shards"]:
            file["samples"] = samples[file["path"]]

    edit_index(out, count)
    for path in (manifest, *samples):
        trust(out, path)


def forged(row: dict[str, Any], images: Images, provenance: dict[str, Any], suffix: str) -> Members:
    """Members of a sample that agree with its row."""
    about = dict(provenance[row["key"] + ".json"])
    for name in about:
        if name in row:
            about[name] = row[name]
    about["center"] = [row["center_x"], row["center_y"]]
    about["random"] = [row["random_x"], row["random_y"]]
    return [
        (row["key"] + ".cls", str(row["label"]).encode()),
        (row["key"] + ".json", canonical_json(about)),
        (row["key"] + suffix, images[row["key"]]),
    ]
