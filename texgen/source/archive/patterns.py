"""Patterns of paths such as ``train-{000000..000146}.tar`` and ``{train,val}/*.tar``."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import SourceError
from texgen.source.read_errors import listing_error
from texgen.storage import Store
from texgen.storage.store import list_folder

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")
_GLOB = re.compile(r"[*?[]")
_OPEN = re.compile(r"[*?[{]")
_MAX_PATHS = 1_000_000


def is_pattern(path: str) -> bool:
    """Whether a path is a pattern of paths."""
    return bool(_GLOB.search(path) or any(_is_choice(m[1]) for m in _BRACES.finditer(path)))


def fixed_folder(files: Store, pattern: str) -> str:
    """The deepest folder that all paths of a pattern have in common.

    The name of an existing folder is not a pattern, whatever characters it has.
    """
    folder, *steps = _absolute(files, pattern).split("/")
    for step in steps[:-1]:
        deeper = f"{folder}/{step}"
        if _OPEN.search(step) and _kind(files, deeper) != "folder":
            break
        folder = deeper
    return folder or "/"


def paths_of(files: Store, pattern: str) -> list[str]:
    """The paths that a pattern names, sorted by bytes; braces also name files that do not exist.

    Raises:
        SourceError: If there are more than a million, or a folder cannot be listed.
    """
    paths = set()
    folder = fixed_folder(files, pattern).rstrip("/")
    for choice in _choices(_absolute(files, pattern)[len(folder) + 1 :]):
        paths.update(
            _matches(files, folder, choice) if _GLOB.search(choice) else [f"{folder}/{choice}"]
        )
        if len(paths) > _MAX_PATHS:
            raise SourceError(f"--src {pattern}: it names more than {_MAX_PATHS} files")
    return sorted(paths, key=os.fsencode)


def _absolute(files: Store, pattern: str) -> str:
    """The pattern from the root on: a store takes relative paths for those of its own files."""
    return pattern if files.local_path() is None else str(Path(pattern).absolute())


def _kind(files: Store, path: str) -> str | None:
    try:
        return files.kind(path)
    except OSError:
        return None


def _is_choice(inside: str) -> bool:
    return "," in inside or bool(_RANGE.fullmatch(inside))


def _choices(pattern: str) -> Iterator[str]:
    match = next((m for m in _BRACES.finditer(pattern) if _is_choice(m[1])), None)
    if match is None:
        yield pattern
        return
    for choice in _alternatives(match[1]):
        yield from _choices(pattern[: match.start()] + choice + pattern[match.end() :])


def _alternatives(inside: str) -> Iterator[str]:
    span = _RANGE.fullmatch(inside)
    if span is None:
        yield from inside.split(",")
        return
    first, last = sorted(map(int, span.groups()))
    width = len(span[1]) if span[1].startswith("0") or len(span[1]) == len(span[2]) else 0
    for number in range(first, last + 1):
        yield f"{number:0{width}d}"


def _matches(files: Store, folder: str, pattern: str) -> list[str]:
    """The files that fit a pattern of ``*``, ``?`` and ``[…]``, none of which fits a ``/``."""
    steps = pattern.split("/")
    paths = [folder]
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        paths = [
            f"{path}/{name}" for path in paths for name in _fitting(files, path, step, last=last)
        ]
    return paths


def _fitting(files: Store, folder: str, step: str, *, last: bool) -> list[str]:
    """Names in a folder that fit a step of a pattern: of files for the last, else of folders."""
    try:
        names = list_folder(files, folder or "/")[0 if last else 1]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise listing_error(folder, error) from error
    return [name for name in names if fnmatch.fnmatchcase(name, step)]
