"""What SRC is, found by looking at names and first bytes."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from pathlib import Path

from texgen.errors import SourceError
from texgen.ranges import RangeFile
from texgen.source.base import SPLIT_NAMES, is_image_name
from texgen.source.filesystem import FileSystem, files_at, list_folder
from texgen.source.ilsvrc import CLASS_TAR, KITS, TRAIN, VAL
from texgen.source.packed import packed, refuse_packed_tars
from texgen.source.parquet_file import MAGIC
from texgen.source.patterns import is_pattern
from texgen.source.tar import BLOCK, TarScan
from texgen.words import count_of

EXPECTED = (
    "expected class folders of images, ILSVRC-2012's tars, WebDataset tars, or Parquet files "
    "of images; docs/sources.md shows each"
)

_SUFFIXES = {".tar": "webdataset", ".parquet": "parquet"}
_LOOKED_AT = 100
"""Names in a class folder that are looked at for an image."""


def find_format(location: str, endpoint: str | None = None) -> str:
    """One of `SRC_FORMATS`.

    Args:
        location: See `texgen.source.SourceSpec`.
        endpoint: Likewise.

    Raises:
        ConfigError: If this version cannot read such a place.
        SourceError: If there is nothing, or nothing that fits; says what there is.
    """
    files = files_at(location, endpoint)
    try:
        kind = files.kind(location)
        if kind == "folder":
            return _of_folder(files, location)
        if kind == "file":
            return _of_file(files.open(location), location)
    except OSError as error:
        message = f"--src {location}: {error.strerror}"
        raise SourceError(message) from error
    if is_pattern(location):
        return "parquet" if location.endswith(".parquet") else "webdataset"
    message = f"--src {location}: no such file or folder"
    raise SourceError(message)


def _of_file(file: RangeFile, location: str) -> str:
    head = file.read_at(0, BLOCK)
    if head.startswith(MAGIC):
        return "parquet"
    if what := packed(head):
        message = f"--src {location}: {what}"
        raise SourceError(message)
    if Path(location).name in {TRAIN, VAL}:
        return "ilsvrc"
    scan = TarScan(file, location)
    try:
        first = next(scan.members(), None)
    except SourceError as error:
        message = f"--src {location}: neither a whole tar nor a Parquet file ({error}); {EXPECTED}"
        raise SourceError(message) from error
    if first is not None and CLASS_TAR.fullmatch(first.name):
        message = f"--src {location}: a tar of class tars; name it {TRAIN}"
        raise SourceError(message)
    return "webdataset"


def _of_folder(files: FileSystem, location: str) -> str:
    there, folders = list_folder(files, location)
    splits = [f"{location}/{name}" for name in folders if name in SPLIT_NAMES]
    # People keep the tars beside what they unpacked of them.
    if any(_holds_images(files, place) for place in splits or [location]):
        return "folder"
    if TRAIN in there or VAL in there:
        return "ilsvrc"
    inside = (*splits, f"{location}/data")
    names = [*there, *(name for place in inside for name in _names(files, place))]
    _refuse_class_tars(location, names)
    kinds = {_SUFFIXES[suffix] for name in names if (suffix := Path(name).suffix) in _SUFFIXES}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds:
        message = f"--src {location}: both .tar and .parquet files; choose by --src-format"
        raise SourceError(message)
    refuse_packed_tars(location, (name for name in names if name not in KITS))
    if folders or not there:
        # An empty folder, or class folders without an image: what is wrong is said there.
        return "folder"
    found = Counter(Path(name).suffix or "extensionless" for name in there)
    most = ", ".join(f"{number} {suffix}" for suffix, number in found.most_common(3))
    message = f"--src {location}: {count_of(len(there), 'file')} ({most}) and no image; {EXPECTED}"
    raise SourceError(message)


def _names(files: FileSystem, folder: str) -> list[str]:
    try:
        return list_folder(files, folder)[0]
    except OSError:
        return []


def _refuse_class_tars(location: str, names: list[str]) -> None:
    found = [name for name in names if re.fullmatch(CLASS_TAR, os.fsencode(name))]
    if found:
        message = (
            f"--src {location}: {count_of(len(found), 'class tar')} such as {found[0]}; keep "
            f"{TRAIN} as it is, unpack each into a folder of its name, or read them as they are "
            "by --src-format webdataset"
        )
        raise SourceError(message)


def _holds_images(files: FileSystem, folder: str) -> bool:
    """Whether a split has an image, or a class folder with one among its first names."""
    try:
        names, folders = list_folder(files, folder)
    except OSError:
        # Whatever it is, the error is said where it is listed.
        return True
    if any(is_image_name(os.fsencode(name)) for name in names):
        return True
    return any(_begins_with_images(files, f"{folder}/{name}") for name in folders)


def _begins_with_images(files: FileSystem, folder: str) -> bool:
    try:
        items = itertools.islice(files.scan(folder), _LOOKED_AT)
        return any(is_image_name(item.name) for item in items)
    except OSError:
        return False
