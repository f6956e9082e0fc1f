"""Finds the tars or Parquet files below a folder, and notes what lies beside them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SPLIT_NAMES
from texgen.source.folder.contents import FolderCache
from texgen.source.folder.split_folders import SEARCH_DEPTH, find_hub_snapshot, note_system_folders
from texgen.source.paths import (
    format_extension_counts,
    join_path,
    quote_path,
    quote_paths,
    src_option,
)
from texgen.storage import Store

_DATA = "data"
"""The folder in which Hugging Face's data sets keep the files of all splits."""

_UNFINISHED = re.compile(
    r"\.(?:tar|parquet)\.(?:gz|bz2|xz|zst|lz4|part|partial|tmp|download|crdownload|aria2|incomplete)"
    r"|\.(?:tgz|tbz2|txz)"
)
"""End of the name of a compressed archive, or of one whose download has not ended."""

_NUMBER = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{3,9})(?P<after>[^0-9]*)", re.DOTALL)
"""The number of a shard, as in ``imagenet-train-000017.tar``; fewer digits may be anything."""


def archives_below(files: Store, suffix: str, layout: str) -> tuple[list[str], list[str]]:
    """Paths of the archives below a folder, relative to it, and notes on what was left out.

    All archives must belong to one base folder: they lie in it, in its split folders or in its
    folder ``data``.

    Args:
        files: The folder.
        suffix: End of the archives' names.
        layout: One of `texgen.source.base.LAYOUTS`; with ``splits`` other folders are left out.

    Raises:
        OSError: If a folder cannot be listed.
        SourceError: If they belong to several base folders, or some are compressed or unfinished.
    """
    cache = FolderCache(files)
    start, notes = find_hub_snapshot(cache)
    # One level more than for a base folder: archives may lie in its split folders or in `data`.
    folders = cache.walk(start, SEARCH_DEPTH + 1, lambda *_: True, complete=True)
    names_in = {
        path: names
        for path, contents in folders
        if (names := sorted(name for name in contents.files if name.endswith(suffix)))
    }
    bases = sorted({base_folder(folder) for folder in names_in}, key=os.fsencode)
    if layout == "splits" and start in bases:
        names_in = {f: names for f, names in names_in.items() if base_folder(f) == start}
        bases = [start]
    if len(bases) > 1:
        hint = ", --layout splits takes only the first" if start in bases else ""
        places = quote_paths(base or "." for base in bases)
        raise SourceError(
            f"--src {cache.location}: {suffix} files in several places ({places}); "
            f"name one place ({src_option(cache.location, bases[-1])}) or a pattern of files{hint}"
        )
    for base in bases:
        if base not in ("", start):
            notes.append(f"the {suffix} files are those in {quote_path(base)}, a folder below SRC")
        notes += _folders_ignored(cache, base, names_in)
    paths = [join_path(folder, name) for folder, names in names_in.items() for name in names]
    for folder in names_in:
        _refuse_unfinished(cache.location, folder, cache.contents(folder).files)
    notes += _gaps(paths)
    notes += _files_ignored(cache, names_in, suffix)
    return paths, notes


def base_folder(folder: str) -> str:
    """An archive's folder without the split folders and ``data`` at its end."""
    head, _, last = folder.rpartition("/")
    return base_folder(head) if last and (last == _DATA or split_in(last)) else folder


def split_in(name: str) -> str:
    """The only split among the words of a file's or folder's name; "" for none or several."""
    words = set(re.split(r"[^a-z0-9]+", name.lower())).intersection(SPLIT_NAMES)
    return words.pop() if len(words) == 1 else ""


def missing_text(first: str, count: int) -> str:
    """Says that some files are missing, of which the first is named."""
    return f"{first} and {count - 1} more are not there" if count > 1 else f"{first} is not there"


def _folders_ignored(
    cache: FolderCache, base: str, archive_folders: Iterable[str]
) -> Iterator[str]:
    used = tuple(f"{folder}/" for folder in archive_folders)
    contents = cache.contents(base)
    for name in contents.folders:
        if not any(path.startswith(f"{join_path(base, name)}/") for path in used):
            yield f"folder {quote_path(name)} is not a split and is ignored"
    yield from note_system_folders(contents)


def _refuse_unfinished(location: str, folder: str, names: Iterable[str]) -> None:
    unfinished = sorted(name for name in names if _UNFINISHED.search(name.lower()[-24:]))
    if unfinished:
        count = pluralize(len(unfinished), "compressed or unfinished file")
        raise SourceError(
            f"--src {location}: {count} ({quote_paths(join_path(folder, n) for n in unfinished)}); "
            "decompress or fetch again, or name the files to take as a pattern: "
            f"--src '{join_path(join_path(location, folder), '*.tar')}'"
        )


def _gaps(paths: Iterable[str]) -> Iterator[str]:
    """A note for each series of shards with gaps in its numbers: no total tells of the others."""
    numbers_of: dict[tuple[str, int, str], set[int]] = {}
    for path in paths:
        match = _NUMBER.fullmatch(path)
        if match and "-of-" not in path:
            series = match["before"], len(match["number"]), match["after"]
            numbers_of.setdefault(series, set()).add(int(match["number"]))
    for (before, width, after), numbers in sorted(numbers_of.items()):
        missing = max(numbers) - min(numbers) + 1 - len(numbers)
        if missing:
            first = next(n for n in range(min(numbers), max(numbers)) if n not in numbers)
            name = quote_path(f"{before}{first:0{width}d}{after}")
            yield f"{missing_text(name, missing)}, though files with higher numbers are"


def _files_ignored(
    cache: FolderCache, archive_folders: Iterable[str], suffix: str
) -> Iterator[str]:
    extensions: Counter[str] = Counter()
    for folder in archive_folders:
        for name in cache.contents(folder).files:
            if not name.endswith(suffix):
                extensions[Path(name).suffix or "without an extension"] += 1
    if extensions:
        files = pluralize(sum(extensions.values()), "other file")
        yield f"{files} beside the {suffix} files ignored ({format_extension_counts(extensions)})"
