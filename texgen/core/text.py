"""Text for people and from people: counts, sizes, escaped names, and files in any encoding."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # It begins with the mark of UTF-16, so it comes first.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ZIP = b"PK\x03\x04"


def pluralize(number: int, noun: str) -> str:
    """Returns a number with its noun: ``1 shard``, ``2 shards``, ``2 classes``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def format_bytes(size: float) -> str:
    """Returns bytes in the largest unit that gives at least 1: ``512 B``, ``1.5 MB``."""
    units = ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def format_duration(seconds: float) -> str:
    """Returns a duration: ``0.4 s``, ``59 s``, ``5:21 min``, ``12:03 h``, ``3.2 days``."""
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
    """Reason why JSON, Arrow, Ray or one line of output cannot hold ``text``; None if they can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    return "holds a line break" if len(text.splitlines()) > 1 else None


def escape_unprintable(text: str) -> str:
    """Returns ``text`` for one line of a terminal: what does not print is escaped."""
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        # `os.fsdecode` gives such a character for a byte that is not UTF-8.
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def decode_text(data: bytes) -> str:
    """Returns the text of a file that a person wrote, with line feeds as line ends.

    The encoding is UTF-8, or the one of the byte order mark that editors on Windows write.

    Raises:
        ValueError: If the file is not text in that encoding; names the line.
    """
    if data.startswith(_ZIP):
        raise ValueError("it is a workbook or another zip file; save it as text, a table as CSV")
    mark, encoding = next((found for found in _MARKS if data.startswith(found[0])), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        name = "Unicode" if mark else "UTF-8"
        byte = error.object[error.start]
        line = _lines(error.object[: error.start].decode(encoding, "replace")).count("\n") + 1
        raise ValueError(
            f"line {line} is not {name} (byte 0x{byte:02x}); save it as UTF-8"
        ) from error
    text = _lines(text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"line {line} holds a zero byte; save it as UTF-8 text")
    return text


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
