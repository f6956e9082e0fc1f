"""`texgen export`: a folder of class folders of image files."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from texgen.core.concurrency import ordered_map
from texgen.core.cpus import available_cpus
from texgen.core.errors import ConfigError, DatasetError
from texgen.core.keys import class_folder_name, escape, shorten_step
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.reader import Dataset
from texgen.storage import storage_errors
from texgen.transfer.index_validation import check_splits

_OWN = ".texgen-export"
"""Holds the fingerprint of the data set whose export a folder is; hidden from trainers."""

_KEY = re.compile(r"[A-Za-z0-9_~+-]+(/[A-Za-z0-9_~+-]+)*")
"""Without a dot, so that it cannot lead out of the folder."""

_MAX_STEP = 250
"""Characters of a file's name before its extension: file systems take 255 bytes."""

_Place = Callable[[ManifestRow], str]
"""Gives a texture's path below its split's folder, without extension."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export has written.

    Attributes:
        files: Textures in the folder.
        written: Those of them that were not there before.
        failed: Rows without a texture.
    """

    files: int
    written: int
    failed: int


def export(
    dataset: Dataset, splits: Sequence[str], to: Path, on_progress: Callable[[int, int], None]
) -> ExportSummary:
    """Writes every texture as ``TO/<split>/<key>.<format>``.

    Where the first folders of a split's keys are not its classes, one each, the file is
    ``TO/<split>/<class>/<rest of the key>.<format>``.

    A file that is there with as many bytes is left alone, so that an export goes on where
    it stopped: each is written beside and renamed. Of a part of a data set it is the textures
    of the shards that are there.

    Args:
        dataset: A finished one.
        splits: Names of those to write; empty is all.
        to: A folder that is new, empty, or an earlier export of the same data set.
        on_progress: Called with the textures done and the number of all.

    Raises:
        ConfigError: If a split is not there, or ``to`` holds anything else, such as photographs
            of the same names.
        DatasetError: If a texture is damaged.
        StorageError: If a file cannot be written.
    """
    check_splits(dataset.index, splits)
    names = sorted(splits or dataset.index.splits)
    _take(to, dataset.index.fingerprint)
    total = sum(dataset.index.splits[name].textures for name in names)
    extension = dataset.index.config["format"]
    done = written = 0
    for name in names:
        write = partial(_write, dataset, to / name, _places(dataset, name), extension)
        for new in ordered_map(write, _rows_with_textures(dataset, name), available_cpus()):
            done, written = done + 1, written + new
            on_progress(done, total)
    failed = sum(dataset.index.splits[name].failed for name in names)
    return ExportSummary(done, written, failed)


def _take(to: Path, fingerprint: str) -> None:
    """Makes a folder that of this export, unless it holds something else."""
    own = to / _OWN
    with storage_errors("write", own):
        to.mkdir(parents=True, exist_ok=True)
        held = own.read_text(errors="replace").strip() if own.is_file() else None
        if held == fingerprint:
            return
        if held is None and not any(to.iterdir()):
            _put(own, f"{fingerprint}\n".encode())
            return
    is_there = "is not empty and" if held is None else f"is that of another ({held[:12]}…) and"
    message = f"{to} {is_there} no export of this data set; name a new folder"
    raise ConfigError(message)


def _rows_with_textures(dataset: Dataset, split: str) -> Iterator[ManifestRow]:
    """Rows whose texture is here; the manifest of a partial data set has those of all shards."""
    shards = {shard.path for shard in dataset.index.splits[split].shards}
    rows = dataset.rows(split)
    return (row for row in rows if row["status"] == "ok" and row["shard"] in shards)


def _places(dataset: Dataset, split: str) -> _Place:
    """Finds the layout in which a split has as many class folders as classes."""
    steps: dict[int | None, set[str]] = {}
    prefixes: dict[int | None, str] = {}
    in_class = True
    for row in dataset.rows(split, ["key", "label", "class"]):
        label, key = row["label"], row["key"]
        steps.setdefault(label, set()).add(_folder(key))
        if label not in prefixes:
            prefixes[label] = escape(f"{row['class']}/x".encode())[:-1]
        in_class &= key.startswith(prefixes[label])
    folders = [folder for found in steps.values() for folder in found]
    apart = len(set(folders)) == len(folders) == len(steps) and "" not in folders
    if apart or None in steps:
        return lambda row: str(row["key"])
    # Left as a whole in the others, so that no two textures get one place.
    cut = {label: len(prefix) if in_class else 0 for label, prefix in prefixes.items()}
    return lambda row: f"{class_folder_name(row['class'])}/{row['key'][cut[row['label']] :]}"


def _folder(key: str) -> str:
    first, slash, _ = key.partition("/")
    return first if slash else ""


def _write(
    dataset: Dataset, folder: Path, place_of: _Place, extension: str, row: ManifestRow
) -> bool:
    """Whether a texture had to be written."""
    if not _KEY.fullmatch(row["key"]):
        message = f"{row['key'][:80]!r} is no key; the data set was not made by texgen"
        raise DatasetError(message)
    steps = (shorten_step(step, _MAX_STEP) for step in place_of(row).split("/"))
    place = folder / f"{'/'.join(steps)}.{extension}"
    with storage_errors("write", place):
        try:
            if place.stat().st_size == row["length"]:
                return False
        except FileNotFoundError:
            place.parent.mkdir(parents=True, exist_ok=True)
    data = dataset.image(row)
    with storage_errors("write", place):
        _put(place, data)
    return True


def _put(place: Path, data: bytes) -> None:
    # Hidden from programs that read the folder meanwhile; its name is short, whatever the file's.
    part = place.parent / f".texgen-{os.getpid()}-{threading.get_native_id()}.part"
    part.write_bytes(data)
    part.replace(place)
