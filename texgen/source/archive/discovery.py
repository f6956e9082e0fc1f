"""Finds the archives of a source and sorts them into splits."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.archive.patterns import is_pattern, paths_of
from texgen.source.archive.search import archives_below, missing_text, split_in
from texgen.source.base import SourceSpec, select_splits, single_split_name
from texgen.source.paths import quote_paths
from texgen.source.read_errors import listing_error
from texgen.storage import Store

_PART = re.compile(r"(?P<before>.*)-(?P<number>\d{1,9})-of-(?P<count>\d{1,9})(?!\d).*", re.DOTALL)
"""A part of several, such as Hugging Face's ``train-00000-of-00005.parquet``."""


def find_archives(
    files: Store, spec: SourceSpec, kind: str | None, suffix: str
) -> tuple[dict[str, list[str]], list[str]]:
    """Finds the archives of a source, split by split.

    A split's archives lie in a folder with its name, or have its name in theirs
    (``imagenet-train-000017.tar``). If no archive names a split, all belong to one split.

    Args:
        files: The folder that paths are relative to.
        spec: Names the source: a folder, an archive, or a pattern.
        kind: ``folder`` or ``file``; None if there is no such path.
        suffix: End of the names of archives in a folder.

    Returns:
        Name of each split to take to the paths of its archives, relative to ``files`` and in
        byte order; and what was ignored, a sentence each.

    Raises:
        SourceError: If there are no archives, a selected split is missing, or only some of the
            archives name a split.
    """
    paths, notes = _paths(files, spec, kind, suffix)
    if not paths:
        message = f"--src {spec.location}: no {suffix} files in it"
        raise SourceError("; ".join([message, *notes]))
    splits: dict[str, list[str]] = {}
    is_one_split = spec.layout in ("classes", "flat")
    for path in sorted(paths, key=os.fsencode):
        splits.setdefault("" if is_one_split else split_of(path), []).append(path)
    strays = splits.pop("", [])
    if not splits:
        name = single_split_name(files.place().rpartition("/")[2], spec.selected)
        return {name: strays}, notes
    if strays:
        stray_text = f"{pluralize(len(strays), 'file')} of no split ({quote_paths(strays)})"
        if spec.layout != "splits":
            named = quote_paths(paths[0] for paths in splits.values())
            raise SourceError(
                f"--src {spec.location}: {stray_text} beside those of splits ({named}); --layout "
                "splits leaves them out, --layout classes takes all files as one split"
            )
        notes.append(f"{stray_text} ignored")
    return select_splits(spec.selected, splits), notes


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


def _paths(
    files: Store, spec: SourceSpec, kind: str | None, suffix: str
) -> tuple[list[str], list[str]]:
    """Paths of archives relative to ``files``, and notes on ignored files."""
    if kind == "folder":
        try:
            return archives_below(files, suffix, spec.layout)
        except OSError as error:
            raise listing_error(error.filename or spec.location, error) from error
    if kind is None and not is_pattern(spec.location):
        raise SourceError(f"--src {spec.location}: no such file or folder")
    archives = [spec.location] if kind else paths_of(files, spec.location)
    return [os.path.relpath(path, files.place()) for path in archives], []
