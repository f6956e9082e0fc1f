"""Text files that people write: lists of classes, labels, options."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before the mark of UTF-16, which is its beginning.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ZIP = b"PK\x03\x04"


def decode_text(data: bytes) -> str:
    """The text of a file; however its lines end, theirs end in a line feed.

    It is UTF-8, or what its byte order mark says, as Windows' editors write it.

    Raises:
        ValueError: If it is not; says in which line.
    """
    if data.startswith(_ZIP):
        message = "it is a workbook or another zip file; save it as text, a table as CSV"
        raise ValueError(message)
    mark, encoding = next((found for found in _MARKS if data.startswith(found[0])), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        name = "Unicode" if mark else "UTF-8"
        byte = error.object[error.start]
        line = _lines(error.object[: error.start].decode(encoding, "replace")).count("\n") + 1
        message = f"line {line} is not {name} (byte 0x{byte:02x}); save it as UTF-8"
        raise ValueError(message) from error
    text = _lines(text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = f"line {line} holds a zero byte; save it as UTF-8 text"
        raise ValueError(message)
    return text


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
