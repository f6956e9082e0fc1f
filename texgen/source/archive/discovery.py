"""Which archives a source has, and of which splits they are."""

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
from texgen.source.archive.search import archives_below, split_in
from texgen.source.archive.split import Archive
from texgen.source.base import LAYOUTS, OnError, check_selected, sole_split
from texgen.source.folder.contents import listed
from texgen.storage.filesystem import FileSystem

_PART = re.compile(r"(?P<before>.*)-(?P<number>\d{1,9})-of-(?P<count>\d{1,9})(?!\d).*", re.DOTALL)
"""``train-00000-of-00005.parquet``, as Hugging Face's library names files, and others theirs."""


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The archives of a source.

    Attributes:
        splits: Name of a split to the paths of its archives, relative to SRC, in byte order.
        notes: What was seen and ignored, a sentence each.
    """

    splits: dict[str, list[str]]
    notes: tuple[str, ...]


def root_of(files: FileSystem, location: str) -> str:
    """The folder that paths of archives are relative to."""
    kind = _kind(files, location)
    if kind is None and is_pattern(location):
        return fixed_folder(files, location)
    return location if kind == "folder" else location.rpartition("/")[0] or "/"


def _kind(files: FileSystem, location: str) -> str | None:
    try:
        return files.kind(location)
    except OSError as error:
        message = f"--src {location}: {error.strerror}"
        raise SourceError(message) from error


def split_files(
    files: FileSystem,
    location: str,
    suffix: str,
    selected: tuple[str, ...],
    layout: str = LAYOUTS[0],
) -> SplitFiles:
    """The archives at a location.

    A split's archives lie in a folder of its name, or have its name in theirs
    (``imagenet-train-000017.tar``); where none does either, all are of one split.

    Args:
        files: Holds the location.
        location: A folder of archives or of split folders, an archive, or a pattern.
        suffix: That the names of archives in a folder end in.
        selected: Names of the splits to take; empty takes those that are there.
        layout: See `texgen.source.SourceSpec`.

    Raises:
        SourceError: If there are none, a selected split is not there, or what lies beside
            them says that there should be more.
    """
    root = root_of(files, location)
    paths, notes = _paths(files, location, root, suffix, layout)
    if not paths:
        message = f"--src {location}: no {suffix} files in it"
        raise SourceError("; ".join([message, *notes]))
    splits: dict[str, list[str]] = {}
    one_split = layout in ("classes", "flat")
    for path in sorted(paths, key=os.fsencode):
        splits.setdefault("" if one_split else split_of(path), []).append(path)
    strays = splits.pop("", [])
    if not splits:
        name = sole_split(root.rpartition("/")[2], selected)
        return SplitFiles({name: strays}, tuple(notes))
    if strays:
        what = f"{pluralize(len(strays), 'file')} of no split ({listed(strays)})"
        if layout != "splits":
            named = listed(paths[0] for paths in splits.values())
            message = (
                f"--src {location}: {what} beside those of splits ({named}); --layout splits "
                "leaves them out, --layout classes takes all files as one split"
            )
            raise SourceError(message)
        notes.append(f"{what} ignored")
    check_selected(selected, splits)
    kept = {name: splits[name] for name in sorted(splits) if not selected or name in selected}
    return SplitFiles(kept, tuple(notes))


def split_of(path: str) -> str:
    """Name of the split that an archive's path tells, or ""."""
    return next(filter(None, map(split_in, reversed(path.split("/")[:-1]))), "") or split_in(
        path.rpartition("/")[2]
    )


def missing_parts(paths: Iterable[str]) -> Iterator[SourceError]:
    """What the names of archives say that there should be, and is not."""
    there: dict[tuple[str, str], set[int]] = {}
    for path in paths:
        if part := _PART.fullmatch(path):
            there.setdefault((part["before"], part["count"]), set()).add(int(part["number"]))
    for (before, count), numbers in there.items():
        missing = int(count) - len(numbers)
        if missing > 0:
            # Some count from 1 on.
            begin = int(0 not in numbers and int(count) in numbers)
            first = next(number for number in itertools.count(begin) if number not in numbers)
            name = f"{before}-{first:0{len(count)}}-of-{count}"
            more = f" and {missing - 1} more are" if missing > 1 else " is"
            yield SourceError(
                f"{name}{more} not there; fetch what is missing, or name what is to be taken as a "
                "pattern"
            )


def open_archives(
    files: FileSystem, root: str, paths: Iterable[str], problem: OnError
) -> Iterator[Archive]:
    """The archives that are there; one that is not is a problem."""

    def look(path: str) -> Archive | SourceError:
        try:
            return Archive(path, files.open(f"{root}/{path}").size())
        except OSError as error:
            return SourceError(f"cannot read {path}: {error.strerror or error}")

    for found in ordered_map(look, paths, files.parallel):
        if isinstance(found, SourceError):
            problem(found)
        else:
            yield found


def _paths(
    files: FileSystem, location: str, root: str, suffix: str, layout: str
) -> tuple[list[str], list[str]]:
    """Paths of archives relative to ``root``, and what was ignored."""
    if root != location:
        kind = _kind(files, location)
        if kind is None and not is_pattern(location):
            message = f"--src {location}: no such file or folder"
            raise SourceError(message)
        full = [location] if kind else paths_of(files, location)
        return [os.path.relpath(path, root) for path in full], []
    try:
        return archives_below(files, location, suffix, layout)
    except OSError as error:
        message = f"cannot list {error.filename or root}: {error.strerror}"
        raise SourceError(message) from error
