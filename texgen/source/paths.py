"""Paths of files in SRC and in archives: as bytes, as text, and for people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from shlex import quote

from texgen.core.text import pluralize

_LIKE_A_BYTE = re.compile(rb"\\(?=x[0-9a-f]{2})")


def displayable(path: bytes) -> str:
    r"""For people and Parquet, which hold UTF-8 only; `ImageEntry.locator` keeps the bytes.

    Bytes that are not UTF-8 become ``\xNN``, and so does the backslash of a name that
    holds such characters itself: two names never give one text.
    """
    if b"\\" in path:
        path = _LIKE_A_BYTE.sub(rb"\\x5c", path)
    return path.decode("utf-8", "backslashreplace")


def member_path(name: bytes) -> bytes | None:
    """A member's path without ``.`` and empty steps; None where a step begins with a dot.

    Such files are ignored in folders too. ``..`` is one of them; nothing is ever opened
    by a member's name, so a path from the root is only a name as well.
    """
    steps = [step for step in name.split(b"/") if step not in (b"", b".")]
    if not steps or any(step.startswith(b".") for step in steps):
        return None
    return b"/".join(steps)


def strip_extension(path: bytes) -> bytes:
    """A path without its extension."""
    folder, slash, name = path.rpartition(b"/")
    without, dot, _ = name.rpartition(b".")
    return folder + slash + (without if dot else name)


def join_bytes(folder: bytes, name: bytes) -> bytes:
    """A path below a folder; either may be empty."""
    return folder + b"/" + name if folder and name else folder or name


def join_path(folder: str, name: str) -> str:
    """A path below a folder; either may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


def src_option(location: str, path: str) -> str:
    """The option that names a folder below SRC, as a shell takes it."""
    return f"--src {quote(join_path(location, path))}"


def quote_path(path: str) -> str:
    """A path in quotes, for people."""
    return repr(displayable(os.fsencode(path)))


def quote_paths(paths: Iterable[str], most: int = 3) -> str:
    """Some paths for people: ``'a', 'b', 'c' and 5 more``."""
    all_of_them = list(paths)
    text = ", ".join(map(quote_path, all_of_them[:most]))
    more = len(all_of_them) - most
    return f"{text} and {more} more" if more > 0 else text


def format_extension_counts(counts: Mapping[str, int], most: int = 4) -> str:
    """Numbers of files for people, the most first: ``3 .heic, 1 .svg and 2 others``."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{number} {extension}" for extension, number in order[:most])
    rest = sum(number for _, number in order[most:])
    return f"{text} and {pluralize(rest, 'other')}" if rest else text
