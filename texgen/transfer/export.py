"""`texgen export`: writes the textures of a data set as image files in class folders."""

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
from texgen.transfer.index_validation import check_split_names

_MARKER = ".texgen-export"
"""File with the fingerprint of the exported data set; its name hides it from trainers."""

_KEY = re.compile(r"[A-Za-z0-9_~+-]+(/[A-Za-z0-9_~+-]+)*")
"""A key has no dot, so that it cannot lead out of the folder."""

_MAX_STEP = 250
"""Most characters of a file name before its extension: file systems allow 255 bytes."""

_PathOf = Callable[[ManifestRow], str]
"""Function from a row to its texture's path below the split's folder, without extension."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """Result of an export.

    Attributes:
        files: Number of textures in the folder.
        written: Number of textures that this run wrote.
        failed: Number of rows without a texture.
    """

    files: int
    written: int
    failed: int


def export(
    dataset: Dataset, splits: Sequence[str], to: Path, on_progress: Callable[[int, int], None]
) -> ExportSummary:
    """Writes every texture as ``TO/<split>/<key>.<format>``.

    Where a split's classes are not the first folders of its keys, one each, the file is
    ``TO/<split>/<class>/<rest of the key>.<format>``.

    A file that exists with the right number of bytes is kept, so that an export resumes: a file
    is written under another name and then renamed. For a partial data set the textures are those
    of the shards that are there.

    Args:
        dataset: Finished data set.
        splits: Names of the splits to write; empty for all.
        to: Folder that is new, empty, or an earlier export of the same data set.
        on_progress: Called with the number of textures done and the number of all.

    Raises:
        ConfigError: If a split does not exist, or ``to`` holds anything else, such as images of
            the same names.
        DatasetError: If a texture is damaged.
        StorageError: If a file cannot be written.
    """
    check_split_names(dataset.index, splits)
    names = sorted(splits or dataset.index.splits)
    _claim_folder(to, dataset.index.fingerprint)
    total = sum(dataset.index.splits[name].textures for name in names)
    extension = dataset.index.config["format"]
    done = written = 0
    for name in names:
        write = partial(_write, dataset, to / name, _layout(dataset, name), extension)
        for new in ordered_map(write, _rows_with_textures(dataset, name), available_cpus()):
            done, written = done + 1, written + new
            on_progress(done, total)
    failed = sum(dataset.index.splits[name].failed for name in names)
    return ExportSummary(done, written, failed)


def _claim_folder(to: Path, fingerprint: str) -> None:
    """Marks a folder as an export of this data set, unless it holds something else."""
    marker = to / _MARKER
    with storage_errors("write", marker):
        to.mkdir(parents=True, exist_ok=True)
        present = marker.read_text(errors="replace").strip() if marker.is_file() else None
        if present == fingerprint:
            return
        if present is None and not any(to.iterdir()):
            _write_file(marker, f"{fingerprint}\n".encode())
            return
    if present is None:
        message = f"{to} is not empty and not an export of this data set; name a new folder"
    else:
        message = f"{to} is an export of another data set ({present[:12]}…); name a new folder"
    raise ConfigError(message)


def _rows_with_textures(dataset: Dataset, split: str) -> Iterator[ManifestRow]:
    """Rows whose texture is here; the manifest of a partial data set has those of all shards."""
    shards = {shard.path for shard in dataset.index.splits[split].shards}
    rows = dataset.rows(split)
    return (row for row in rows if row["status"] == "ok" and row["shard"] in shards)


def _layout(dataset: Dataset, split: str) -> _PathOf:
    """Finds the layout in which a split has as many class folders as classes."""
    folders_of: dict[int | None, set[str]] = {}
    prefixes: dict[int | None, str] = {}
    keys_have_prefix = True
    for row in dataset.rows(split, ["key", "label", "class"]):
        label, key = row["label"], row["key"]
        folders_of.setdefault(label, set()).add(_first_folder(key))
        if label not in prefixes:
            prefixes[label] = escape(f"{row['class']}/x".encode())[:-1]
        keys_have_prefix &= key.startswith(prefixes[label])
    folders = [folder for of_label in folders_of.values() for folder in of_label]
    one_each = len(set(folders)) == len(folders) == len(folders_of) and "" not in folders
    if one_each or None in folders_of:
        return lambda row: str(row["key"])
    # A prefix is cut off all keys of the split or of none, so that no two textures get one path.
    cut = {label: len(prefix) if keys_have_prefix else 0 for label, prefix in prefixes.items()}
    return lambda row: f"{class_folder_name(row['class'])}/{row['key'][cut[row['label']] :]}"


def _first_folder(key: str) -> str:
    first, slash, _ = key.partition("/")
    return first if slash else ""


def _write(
    dataset: Dataset, folder: Path, path_of: _PathOf, extension: str, row: ManifestRow
) -> bool:
    """Writes a row's texture unless its file is complete; returns whether it was written."""
    if not _KEY.fullmatch(row["key"]):
        raise DatasetError(
            f"{row['key'][:80]!r} is not a valid key; texgen did not build this data set"
        )
    steps = (shorten_step(step, _MAX_STEP) for step in path_of(row).split("/"))
    path = folder / f"{'/'.join(steps)}.{extension}"
    with storage_errors("write", path):
        try:
            if path.stat().st_size == row["length"]:
                return False
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
    data = dataset.image(row)
    with storage_errors("write", path):
        _write_file(path, data)
    return True


def _write_file(path: Path, data: bytes) -> None:
    # The part is hidden from programs that read the folder meanwhile. Its name is short, since the
    # file's may have the greatest length that the file system allows.
    part = path.parent / f".texgen-{os.getpid()}-{threading.get_native_id()}.part"
    part.write_bytes(data)
    part.replace(path)
