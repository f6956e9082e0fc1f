"""Finds the tars or Parquet files below a folder, and says what lies beside them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SPLIT_NAMES
from texgen.source.folder.contents import FolderCache, as_src, by_extension, join, listed, named
from texgen.source.folder.layout import DEPTH, snapshot_of, system_notes
from texgen.storage.filesystem import FileSystem

_DATA = "data"
"""The folder in which Hugging Face keeps the files of all splits."""

_UNFINISHED = re.compile(
    r"\.(?:tar|parquet)\.(?:gz|bz2|xz|zst|lz4|part|partial|tmp|download|crdownload|aria2|incomplete)"
    r"|\.(?:tgz|tbz2|txz)"
)
"""What a name ends in that is an archive once it is decompressed, or its download has ended."""

_NUMBER = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{3,9})(?P<after>[^0-9]*)", re.DOTALL)
"""``imagenet-train-000017.tar``: fewer digits may be anything."""


def archives_below(
    files: FileSystem, location: str, suffix: str, layout: str
) -> tuple[list[str], list[str]]:
    """Paths of the archives below a folder, relative to it, and notes on what was left out.

    They lie in one place: a folder, its split folders and its folder ``data``.

    Args:
        files: Holds the folder.
        location: The folder.
        suffix: The end of the archives' names.
        layout: One of `texgen.source.base.LAYOUTS`; with ``splits`` other folders are left out.

    Raises:
        OSError: If a folder cannot be listed.
        SourceError: If they lie in several places, or some are compressed or cut off.
    """
    looks = FolderCache(files, location)
    start, notes = snapshot_of(looks, location)
    holders = dict(_holders(looks, start, suffix))
    places = sorted({base_folder(folder) for folder in holders}, key=os.fsencode)
    if layout == "splits" and start in places:
        holders = {
            folder: names for folder, names in holders.items() if base_folder(folder) == start
        }
        places = [start]
    if len(places) > 1:
        beside = ", --layout splits takes only the first" if start in places else ""
        message = (
            f"--src {location}: {suffix} files in several places ({listed(map(_shown, places))}); "
            f"name one place ({as_src(location, places[-1])}) or a pattern of files{beside}"
        )
        raise SourceError(message)
    for place in places:
        if place not in ("", start):
            notes.append(f"the {suffix} files are those in {named(place)}, a folder below SRC")
        notes += _folders_ignored(looks, place, holders)
    paths = [join(folder, name) for folder, names in holders.items() for name in names]
    for folder in holders:
        _refuse_unfinished(location, folder, looks.look(folder).files)
    notes += _gaps(paths)
    notes += _files_ignored(looks, holders, suffix)
    return paths, notes


def _holders(looks: FolderCache, start: str, suffix: str) -> Iterator[tuple[str, list[str]]]:
    """The folders that hold archives, and their names."""
    # A split's folder and `data` lie below the place that is looked for.
    for path, look in looks.below(start, DEPTH + 1, lambda *_: True, whole=True):
        if names := sorted(name for name in look.files if name.endswith(suffix)):
            yield path, names


def base_folder(folder: str) -> str:
    """The place that an archive's folder belongs to: without split folders and ``data``."""
    head, _, last = folder.rpartition("/")
    return base_folder(head) if last and (last == _DATA or split_in(last)) else folder


def split_in(name: str) -> str:
    """The split that a word of a file's or folder's name tells; "" where none does, or two do."""
    words = set(re.split(r"[^a-z0-9]+", name.lower())).intersection(SPLIT_NAMES)
    return words.pop() if len(words) == 1 else ""


def _shown(place: str) -> str:
    return place or "."


def _folders_ignored(looks: FolderCache, place: str, holders: Iterable[str]) -> Iterator[str]:
    there = tuple(f"{folder}/" for folder in holders)
    look = looks.look(place)
    for name in look.folders:
        if not any(held.startswith(f"{join(place, name)}/") for held in there):
            yield f"folder {named(name)} is not a split and is ignored"
    yield from system_notes(look)


def _refuse_unfinished(location: str, folder: str, names: Iterable[str]) -> None:
    found = sorted(name for name in names if _UNFINISHED.search(name.lower()[-24:]))
    if found:
        what = "file is compressed or not" if len(found) == 1 else "files are compressed or not"
        message = (
            f"--src {location}: {len(found)} {what} whole ({listed(join(folder, n) for n in found)}"
            "); decompress or fetch it again, or name what is to be taken as a pattern: "
            f"--src '{join(join(location, folder), '*.tar')}'"
        )
        raise SourceError(message)


def _gaps(paths: Iterable[str]) -> Iterator[str]:
    """Numbers that are missing among those of shards, which nothing else tells."""
    there: dict[tuple[str, int, str], set[int]] = {}
    for path in paths:
        match = _NUMBER.fullmatch(path)
        if match and "-of-" not in path:
            series = match["before"], len(match["number"]), match["after"]
            there.setdefault(series, set()).add(int(match["number"]))
    for (before, width, after), numbers in sorted(there.items()):
        missing = max(numbers) - min(numbers) + 1 - len(numbers)
        if missing:
            first = next(n for n in range(min(numbers), max(numbers)) if n not in numbers)
            name = named(f"{before}{first:0{width}d}{after}")
            more = f" and {missing - 1} more are" if missing > 1 else " is"
            yield f"{name}{more} not there, though files with higher numbers are"


def _files_ignored(looks: FolderCache, holders: Iterable[str], suffix: str) -> Iterator[str]:
    extensions: Counter[str] = Counter()
    for folder in holders:
        for name in looks.look(folder).files:
            if not name.endswith(suffix):
                extensions[Path(name).suffix or "without an extension"] += 1
    if extensions:
        what = pluralize(sum(extensions.values()), "other file")
        yield f"{what} beside the {suffix} files ignored ({by_extension(extensions)})"
