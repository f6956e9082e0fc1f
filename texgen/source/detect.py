"""What SRC is, found by looking at names and first bytes."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.archive.patterns import is_pattern
from texgen.source.base import ARCHIVE_FORMATS, is_image_name
from texgen.source.folder.contents import FolderCache
from texgen.source.folder.layout import snapshot_of
from texgen.source.packed import describe_packed, refuse_packed_tars
from texgen.source.parquet.file import MAGIC
from texgen.source.paths import format_extension_counts, join_path
from texgen.source.tar.ilsvrc import CLASS_TAR, KITS, TRAIN, VAL
from texgen.source.tar.scan import TAR_BLOCK, TarScan
from texgen.storage.filesystem import FileSystem, files_at
from texgen.storage.ranges import RangeFile

EXPECTED = (
    "expected class folders of images, ILSVRC-2012's tars, WebDataset tars, or Parquet files "
    "of images; docs/sources.md shows each"
)


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
    head = file.read_at(0, TAR_BLOCK)
    if head.startswith(MAGIC):
        return "parquet"
    if what := describe_packed(head):
        message = f"--src {location}: {what}"
        raise SourceError(message)
    if is_image_name(os.fsencode(location)):
        message = f"--src {location}: one image; name the folder that holds it"
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
    looks = FolderCache(files, location)
    start, _ = snapshot_of(looks, location)
    top = looks.look(start, whole=True)
    splits = [join_path(start, name) for names in top.splits().values() for name in names]
    # People keep the tars beside what they unpacked of them.
    if any(looks.holds_images(place, 1) for place in splits or [start]):
        return "folder"
    if TRAIN in top.files or VAL in top.files:
        return "ilsvrc"
    near = [
        *top.files,
        *(n for place in (*splits, join_path(start, "data")) for n in looks.look(place).files),
    ]
    _refuse_class_tars(location, near)
    kinds = _kinds(looks, start)
    images_deeper = looks.holds_images(start)
    if len(kinds) == 1 and not images_deeper:
        return kinds.pop()
    if kinds:
        found = " and ".join(["images in folders"] * images_deeper + sorted(kinds))
        message = f"--src {location}: {found}; choose by --src-format"
        raise SourceError(message)
    if images_deeper:
        return "folder"
    refuse_packed_tars(location, (name for name in near if name not in KITS))
    if top.folders or top.images or not top.files:
        # An empty folder, or class folders without an image: what is wrong is said there.
        return "folder"
    found_files = Counter(Path(name).suffix or "extensionless" for name in top.files)
    most = format_extension_counts(found_files, 3)
    message = (
        f"--src {location}: {pluralize(len(top.files), 'file')} ({most}) and no image; {EXPECTED}"
    )
    raise SourceError(message)


def _kinds(looks: FolderCache, start: str) -> set[str]:
    """What archives below SRC are; tars with Parquet files of their names are img2dataset's."""
    names = [
        join_path(path, name)
        for path, look in looks.below(start)
        for name in look.files
        if Path(name).suffix in ARCHIVE_FORMATS
    ]
    tars = {name.removesuffix(".tar") for name in names if name.endswith(".tar")}
    parquet = {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}
    if tars and parquet <= tars:
        return {"webdataset"}
    return {ARCHIVE_FORMATS[Path(name).suffix] for name in names}


def _refuse_class_tars(location: str, names: list[str]) -> None:
    found = [name for name in names if re.fullmatch(CLASS_TAR, os.fsencode(name))]
    if found:
        message = (
            f"--src {location}: {pluralize(len(found), 'class tar')} such as {found[0]}; keep "
            f"{TRAIN} as it is, unpack each into a folder of its name, or read them as they are "
            "by --src-format webdataset"
        )
        raise SourceError(message)
