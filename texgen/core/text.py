"""Words for people: counts, sizes, and names that hold anything."""

from __future__ import annotations


def pluralize(number: int, noun: str) -> str:
    """``1 shard``, ``2 shards``, ``2 classes``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def format_bytes(size: float) -> str:
    """Bytes in the largest unit of which there is at least one: ``512 B``, ``1.5 MB``."""
    units = ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def format_duration(seconds: float) -> str:
    """``0.4 s``, ``59 s``, ``5:21 min``, ``12:03 h``, ``3.2 days``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}:{minutes % 60:02d} h"
    return f"{seconds / 86400:.1f} days"


def single_line_error(text: str) -> str | None:
    """Why JSON, Arrow or Ray, or a line for people, cannot hold ``text``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    return "holds a line break" if len(text.splitlines()) > 1 else None


def escape_unprintable(text: str) -> str:
    """``text`` on one line, for a terminal: bytes and characters that do not print are escaped."""
    return text if text.isprintable() else "".join(map(_printing, text))


def _printing(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        # A byte of a name that is not UTF-8.
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
