"""Finds the archives of a source and sorts them into splits."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from texgen.core.concurrency import ordered_map
from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.archive.patterns import fixed_folder, is_pattern, paths_of
from texgen.source.archive.search import archives_below, missing_text, split_in
from texgen.source.archive.split import Archive
from texgen.source.base import LAYOUTS, OnError, check_selected, single_split_name
from texgen.source.paths import quote_paths
from texgen.storage import Store

_PART = re.compile(r"(?P<before>.*)-(?P<number>\d{1,9})-of-(?P<count>\d{1,9})(?!\d).*", re.DOTALL)
"""A part of several, such as Hugging Face's ``train-00000-of-00005.parquet``."""


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The archives of a source.

    Attributes:
        splits: Name of a split to the paths of its archives, relative to SRC, in byte order.
        notes: What was ignored, a sentence each.
    """

    splits: dict[str, list[str]]
    notes: tuple[str, ...]


def root_of(files: Store, location: str) -> str:
    """The folder that the paths of archives are relative to."""
    kind = _kind(files, location)
    if kind is None and is_pattern(location):
        return fixed_folder(files, location)
    return location if kind == "folder" else location.rpartition("/")[0] or "/"


def _kind(files: Store, location: str) -> str | None:
    try:
        return files.kind(location)
    except OSError as error:
        message = f"--src {location}: {error.strerror}"
        raise SourceError(message) from error


def split_files(
    files: Store,
    location: str,
    suffix: str,
    selected: tuple[str, ...],
    layout: str = LAYOUTS[0],
) -> SplitFiles:
    """Finds the archives at a location, split by split.

    A split's archives lie in a folder with its name, or have its name in theirs
    (``imagenet-train-000017.tar``). If no archive names a split, all belong to one split.

    Args:
        files: Holds the location.
        location: A folder of archives or of split folders, an archive, or a pattern.
        suffix: End of the names of archives in a folder.
        selected: Names of the splits to take; empty takes all.
        layout: See `texgen.source.SourceSpec`.

    Raises:
        SourceError: If there are no archives, a selected split is missing, or only some of the
            archives name a split.
    """
    root = root_of(files, location)
    paths, notes = _paths(files, location, root, suffix, layout)
    if not paths:
        message = f"--src {location}: no {suffix} files in it"
        raise SourceError("; ".join([message, *notes]))
    splits: dict[str, list[str]] = {}
    is_one_split = layout in ("classes", "flat")
    for path in sorted(paths, key=os.fsencode):
        splits.setdefault("" if is_one_split else split_of(path), []).append(path)
    strays = splits.pop("", [])
    if not splits:
        name = single_split_name(root.rpartition("/")[2], selected)
        return SplitFiles({name: strays}, tuple(notes))
    if strays:
        stray_text = f"{pluralize(len(strays), 'file')} of no split ({quote_paths(strays)})"
        if layout != "splits":
            named = quote_paths(paths[0] for paths in splits.values())
            message = (
                f"--src {location}: {stray_text} beside those of splits ({named}); --layout splits "
                "leaves them out, --layout classes takes all files as one split"
            )
            raise SourceError(message)
        notes.append(f"{stray_text} ignored")
    check_selected(selected, splits)
    taken = {name: splits[name] for name in sorted(splits) if not selected or name in selected}
    return SplitFiles(taken, tuple(notes))


def split_of(path: str) -> str:
    """Name of the split that an archive's path names, or ""; folders go before the file's name."""
    *folders, file_name = path.split("/")
    return next(filter(None, map(split_in, (*reversed(folders), file_name))), "")


def missing_parts(paths: Iterable[str]) -> Iterator[SourceError]:
    """An error for each series of parts (see `_PART`) that is not complete."""
    numbers_of: dict[tuple[str, str], set[int]] = {}
    for path in paths:
        if part := _PART.fullmatch(path):
            numbers_of.setdefault((part["before"], part["count"]), set()).add(int(part["number"]))
    for (before, count), numbers in numbers_of.items():
        missing = int(count) - len(numbers)
        if missing > 0:
            # Some writers count from 1 on.
            begin = int(0 not in numbers and int(count) in numbers)
            first = next(number for number in itertools.count(begin) if number not in numbers)
            name = f"{before}-{first:0{len(count)}}-of-{count}"
            yield SourceError(
                f"{missing_text(name, missing)}; fetch what is missing, or name the files to take "
                "as a pattern"
            )


def open_archives(
    files: Store, root: str, paths: Iterable[str], on_error: OnError
) -> Iterator[Archive]:
    """The archives with their sizes; ``on_error`` is called for each that cannot be opened."""

    def look(path: str) -> Archive | SourceError:
        try:
            return Archive(path, files.open(f"{root}/{path}").size())
        except OSError as error:
            return SourceError(f"cannot read {path}: {error.strerror or error}")

    for opened in ordered_map(look, paths, files.parallel):
        if isinstance(opened, SourceError):
            on_error(opened)
        else:
            yield opened


def _paths(
    files: Store, location: str, root: str, suffix: str, layout: str
) -> tuple[list[str], list[str]]:
    """Paths of archives relative to ``root``, and notes on ignored files."""
    if root != location:
        kind = _kind(files, location)
        if kind is None and not is_pattern(location):
            message = f"--src {location}: no such file or folder"
            raise SourceError(message)
        archives = [location] if kind else paths_of(files, location)
        return [os.path.relpath(path, root) for path in archives], []
    try:
        return archives_below(files, location, suffix, layout)
    except OSError as error:
        message = f"cannot list {error.filename or root}: {error.strerror}"
        raise SourceError(message) from error
