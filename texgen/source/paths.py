"""Paths of files in SRC and in archives: joined, shortened, and written in messages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from shlex import quote

from texgen.core.text import pluralize

_BACKSLASH_OF_BYTE = re.compile(rb"\\(?=x[0-9a-f]{2})")


def displayable(path: bytes) -> str:
    r"""A path or name as UTF-8, for messages and Parquet; `ImageEntry.locator` keeps the bytes.

    Bytes that are not UTF-8 become ``\xNN``, and so does the backslash of a name that holds such
    characters itself: two names never become one text.
    """
    if b"\\" in path:
        path = _BACKSLASH_OF_BYTE.sub(rb"\\x5c", path)
    return path.decode("utf-8", "backslashreplace")


def join_path(folder: str, name: str) -> str:
    """The path of a file or folder in a folder; either may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


def join_bytes(folder: bytes, name: bytes) -> bytes:
    """`join_path` of bytes."""
    return folder + b"/" + name if folder and name else folder or name


def member_path(name: bytes) -> bytes | None:
    """An archive member's path without ``.`` and empty steps; None if a step begins with a dot.

    Such files are ignored in folders too. ``..`` is one of these steps. Nothing is ever opened by
    a member's name, so an absolute path is only a name as well.
    """
    steps = [step for step in name.split(b"/") if step not in (b"", b".")]
    if not steps or any(step.startswith(b".") for step in steps):
        return None
    return b"/".join(steps)


def quote_path(path: str) -> str:
    """A path in quotes, for messages."""
    return repr(displayable(os.fsencode(path)))


def quote_paths(paths: Iterable[str], most: int = 3) -> str:
    """The first paths in quotes, for messages: ``'a', 'b', 'c' and 5 more``."""
    all_paths = list(paths)
    text = ", ".join(map(quote_path, all_paths[:most]))
    more = len(all_paths) - most
    return f"{text} and {more} more" if more > 0 else text


def src_option(location: str, path: str) -> str:
    """The option that names a folder below SRC, quoted for a shell."""
    return f"--src {quote(join_path(location, path))}"


def format_extension_counts(counts: Mapping[str, int], most: int = 4) -> str:
    """Numbers of files by extension, largest first: ``3 .heic, 1 .svg and 2 others``."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{number} {extension}" for extension, number in order[:most])
    rest = sum(number for _, number in order[most:])
    return f"{text} and {pluralize(rest, 'other')}" if rest else text
