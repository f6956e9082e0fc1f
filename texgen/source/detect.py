"""What SRC is, found by looking at names and first bytes."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from texgen.errors import ConfigError, SourceError
from texgen.source.base import SPLIT_NAMES, is_image_name
from texgen.source.ilsvrc import CLASS_TAR, TRAIN, VAL
from texgen.source.parquet_file import MAGIC
from texgen.source.patterns import is_pattern
from texgen.source.ranges import first_names, kind_of, list_folder, open_range
from texgen.source.tar import BLOCK, TarScan
from texgen.words import count_of

EXPECTED = (
    "expected class folders of images, ILSVRC-2012's tars, WebDataset tars, or Parquet files "
    "of images; docs/sources.md shows each"
)

_PACKED = {
    b"\x1f\x8b": "compressed, so that no part can be read alone; decompress it with gunzip",
    b"\x28\xb5\x2f\xfd": "compressed, so that no part can be read alone; decompress it with unzstd",
    b"BZh": "compressed, so that no part can be read alone; decompress it with bunzip2",
    b"\xfd7zXZ": "compressed, so that no part can be read alone; decompress it with unxz",
    b"PK\x03\x04": "a zip archive; unpack it into a folder",
}
_SUFFIXES = {".tar": "webdataset", ".parquet": "parquet"}
_LOOKED_AT = 100
"""Names in a class folder that are looked at for an image."""


def find_format(location: str) -> str:
    """One of `SRC_FORMATS`.

    Raises:
        ConfigError: If this version cannot read such a place.
        SourceError: If there is nothing, or nothing that fits; says what there is.
    """
    if "://" in location:
        message = f"--src {location}: only files and folders can be read so far; copy it to one"
        raise ConfigError(message)
    try:
        kind = kind_of(location)
        if kind == "folder":
            return _of_folder(location)
        if kind == "file":
            return _of_file(location)
    except OSError as error:
        message = f"--src {location}: no such file or folder ({error.strerror})"
        raise SourceError(message) from error
    if is_pattern(location):
        return "parquet" if location.endswith(".parquet") else "webdataset"
    message = f"--src {location}: no such file or folder"
    raise SourceError(message)


def _of_file(location: str) -> str:
    file = open_range(location)
    head = file.read_at(0, BLOCK)
    if head.startswith(MAGIC):
        return "parquet"
    for magic, what in _PACKED.items():
        if head.startswith(magic):
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


def _of_folder(location: str) -> str:
    files, folders = list_folder(location)
    splits = [f"{location}/{name}" for name in folders if name in SPLIT_NAMES]
    # People keep the tars beside what they unpacked of them.
    if any(_holds_images(place) for place in splits or [location]):
        return "folder"
    if TRAIN in files or VAL in files:
        return "ilsvrc"
    names = [*files, *(n for place in (*splits, f"{location}/data") for n in _names(place))]
    _refuse_class_tars(location, names)
    kinds = {_SUFFIXES[suffix] for name in names if (suffix := Path(name).suffix) in _SUFFIXES}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds:
        message = f"--src {location}: both .tar and .parquet files; choose by --src-format"
        raise SourceError(message)
    if folders or not files:
        # An empty folder, or class folders without an image: what is wrong is said there.
        return "folder"
    found = Counter(Path(name).suffix or "extensionless" for name in files)
    most = ", ".join(f"{number} {suffix}" for suffix, number in found.most_common(3))
    message = f"--src {location}: {count_of(len(files), 'file')} ({most}) and no image; {EXPECTED}"
    raise SourceError(message)


def _names(folder: str) -> list[str]:
    try:
        return list_folder(folder)[0]
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


def _holds_images(folder: str) -> bool:
    """Whether a split has an image, or a class folder with one among its first names."""
    try:
        files, folders = list_folder(folder)
    except OSError:
        # Whatever it is, the error is said where it is listed.
        return True
    if any(is_image_name(os.fsencode(name)) for name in files):
        return True
    return any(_begins_with_images(f"{folder}/{name}") for name in folders)


def _begins_with_images(folder: str) -> bool:
    try:
        return any(is_image_name(os.fsencode(name)) for name in first_names(folder, _LOOKED_AT))
    except OSError:
        return False
