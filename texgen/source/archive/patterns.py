"""Patterns of paths: ``train-{000000..000146}.tar``, ``{train,val}/*.tar``."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator

from texgen.core.errors import SourceError
from texgen.storage.filesystem import FileSystem, list_folder

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")
_GLOB = re.compile(r"[*?[]")
_OPEN = re.compile(r"[*?[{]")
_MAX_PATHS = 1_000_000


def is_pattern(path: str) -> bool:
    """Whether a path names several."""
    return bool(_GLOB.search(path) or any(_is_choice(m[1]) for m in _BRACES.finditer(path)))


def fixed_folder(files: FileSystem, pattern: str) -> str:
    """The last folder above everything that the pattern leaves open.

    A folder that is there is no pattern, whatever characters are in its name.
    """
    fixed, *steps = pattern.split("/")
    for step in steps[:-1]:
        deeper = f"{fixed}/{step}"
        if _OPEN.search(step) and _kind(files, deeper) != "folder":
            break
        fixed = deeper
    return fixed or "/"


def paths_of(files: FileSystem, pattern: str) -> list[str]:
    """The paths that a pattern names, sorted by bytes; those of braces need not be there.

    Raises:
        SourceError: If there are too many, or a folder cannot be listed.
    """
    found = set()
    folder = fixed_folder(files, pattern).rstrip("/")
    for choice in _choices(pattern[len(folder) + 1 :]):
        found.update(
            _matches(files, folder, choice) if _GLOB.search(choice) else [f"{folder}/{choice}"]
        )
        if len(found) > _MAX_PATHS:
            message = f"--src {pattern}: it names more than {_MAX_PATHS} files"
            raise SourceError(message)
    return sorted(found, key=os.fsencode)


def _kind(files: FileSystem, path: str) -> str | None:
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


def _matches(files: FileSystem, folder: str, pattern: str) -> list[str]:
    """The files in a folder that a pattern of ``*``, ``?`` and ``[…]`` fits, none of a ``/``."""
    steps = pattern.split("/")
    found = [folder]
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        found = [
            f"{place}/{name}" for place in found for name in _fitting(files, place, step, last=last)
        ]
    return found


def _fitting(files: FileSystem, place: str, step: str, *, last: bool) -> list[str]:
    try:
        there = list_folder(files, place or "/")[0 if last else 1]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"cannot list {place}: {error.strerror}"
        raise SourceError(message) from error
    return [name for name in there if fnmatch.fnmatchcase(name, step)]
