"""Detects the format of SRC from names and first bytes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.archive.patterns import is_pattern
from texgen.source.base import ARCHIVE_FORMATS, is_image_name
from texgen.source.folder.contents import FolderCache
from texgen.source.folder.split_folders import find_hub_snapshot
from texgen.source.packed import describe_packed, refuse_packed_files
from texgen.source.parquet.file import MAGIC
from texgen.source.paths import format_extension_counts, join_path
from texgen.source.tar.ilsvrc import CLASS_TAR, KITS, TRAIN, VAL
from texgen.source.tar.scan import TAR_BLOCK, TarScan
from texgen.storage import open_store
from texgen.storage.ranges import RangeFile

EXPECTED_FORMS = (
    "expected class folders of images, ILSVRC-2012's tars, WebDataset tars, or Parquet files "
    "of images; docs/sources.md shows each"
)


def find_format(location: str, endpoint: str | None = None) -> str:
    """Detects which of `SRC_FORMATS` the source has that a `SourceSpec` would name so.

    Raises:
        ConfigError: If this version cannot read such a location.
        SourceError: If SRC does not exist or holds nothing that fits; names what it holds.
    """
    files = open_store(location, endpoint)
    try:
        kind = files.kind("")
        if kind == "folder":
            return _format_of_folder(FolderCache(files))
        if kind == "file":
            return _format_of_file(files.open(""), location)
    except OSError as error:
        raise SourceError(f"--src {location}: {error.strerror}") from error
    if is_pattern(location):
        return "parquet" if location.endswith(".parquet") else "webdataset"
    raise SourceError(f"--src {location}: no such file or folder")


def _format_of_file(file: RangeFile, location: str) -> str:
    head = file.read_at(0, TAR_BLOCK)
    if head.startswith(MAGIC):
        return "parquet"
    if packed := describe_packed(head):
        raise SourceError(f"--src {location}: {packed}")
    if is_image_name(os.fsencode(location)):
        raise SourceError(f"--src {location}: one image; name the folder that holds it")
    if Path(location).name in {TRAIN, VAL}:
        return "ilsvrc"
    scan = TarScan(file, location)
    try:
        first = next(scan.members(), None)
    except SourceError as error:
        raise SourceError(
            f"--src {location}: neither a complete tar nor a Parquet file ({error}); "
            f"{EXPECTED_FORMS}"
        ) from error
    if first is not None and CLASS_TAR.fullmatch(first.name):
        raise SourceError(f"--src {location}: a tar of class tars; name it {TRAIN}")
    return "webdataset"


def _format_of_folder(cache: FolderCache) -> str:
    location = cache.location
    top, _ = find_hub_snapshot(cache)
    contents = cache.contents(top, complete=True)
    splits = [join_path(top, name) for names in contents.split_folders().values() for name in names]
    # People keep the tars beside the folders that they unpacked from them.
    if any(cache.holds_images(folder, 1) for folder in splits or [top]):
        return "folder"
    if TRAIN in contents.files or VAL in contents.files:
        return "ilsvrc"
    near = [*contents.files]
    for folder in (*splits, join_path(top, "data")):
        near += cache.contents(folder).files
    _refuse_class_tars(location, near)
    formats = _archive_formats(cache, top)
    images_deeper = cache.holds_images(top)
    if len(formats) == 1 and not images_deeper:
        return formats.pop()
    if formats:
        kinds = " and ".join(["images in folders"] * images_deeper + sorted(formats))
        raise SourceError(f"--src {location}: {kinds}; choose by --src-format")
    if images_deeper:
        return "folder"
    refuse_packed_files(location, (name for name in near if name not in KITS))
    if contents.folders or contents.images or not contents.files:
        # The folder source says what is wrong with an empty folder, or one without images.
        return "folder"
    extensions = Counter(Path(name).suffix or "extensionless" for name in contents.files)
    count, kinds = pluralize(len(contents.files), "file"), format_extension_counts(extensions, 3)
    raise SourceError(f"--src {location}: {count} ({kinds}) and no image; {EXPECTED_FORMS}")


def _archive_formats(cache: FolderCache, top: str) -> set[str]:
    """Formats of the archives below a folder.

    Tars with Parquet files of the same names are img2dataset's, and count as tars alone.
    """
    names = [
        join_path(folder, name)
        for folder, contents in cache.walk(top)
        for name in contents.files
        if Path(name).suffix in ARCHIVE_FORMATS
    ]
    tars = {name.removesuffix(".tar") for name in names if name.endswith(".tar")}
    parquet = {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}
    if tars and parquet <= tars:
        return {"webdataset"}
    return {ARCHIVE_FORMATS[Path(name).suffix] for name in names}


def _refuse_class_tars(location: str, names: list[str]) -> None:
    tars = [name for name in names if CLASS_TAR.fullmatch(os.fsencode(name))]
    if tars:
        raise SourceError(
            f"--src {location}: {pluralize(len(tars), 'class tar')} such as {tars[0]}; keep "
            f"{TRAIN} as it is, unpack each into a folder of its name, or read them as they are "
            "by --src-format webdataset"
        )
