from __future__ import annotations

import codecs
import os

import pytest

from texgen.core.text import decode_text, escape_unprintable, format_bytes, pluralize

TEXT = "é,写真\n# x\n"
ENCODINGS = {
    "UTF-8": TEXT.encode(),
    "Notepad's UTF-8": codecs.BOM_UTF8 + TEXT.encode(),
    "Notepad's Unicode": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "big-endian": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-32": codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
    "lines of Windows": TEXT.replace("\n", "\r\n").encode(),
    "lines of old Macs": TEXT.replace("\n", "\r").encode(),
}


def test_one_of_something_has_no_plural():
    assert [pluralize(n, "shard") for n in (0, 1, 2)] == ["0 shards", "1 shard", "2 shards"]
    assert [pluralize(n, "class") for n in (1, 2)] == ["1 class", "2 classes"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1.5e6, "1.5 MB"), (2.3e13, "23000.0 GB")],
)
def test_a_size_is_never_zero_of_a_large_unit(size, text):
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [(b"a b", "a b"), ("é…".encode(), "é…"), (b"a\nb\x1b[2J", r"a\nb\x1b[2J"), (b"\xff", r"\xff")],
)
def test_any_name_is_one_line_that_prints(name, text):
    assert escape_unprintable(os.fsdecode(name)) == text


@pytest.mark.parametrize("character", ["\ud800", "\u202e", "\u2028", "\x9b"])
def test_what_moves_a_cursor_or_is_no_character_is_escaped(character):
    assert escape_unprintable(f"a{character}b").isascii()


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_text_is_the_same_however_an_editor_saves_it(name):
    assert decode_text(ENCODINGS[name]) == TEXT


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("a\ncafé\n".encode("latin-1"), r"line 2 is not UTF-8 \(byte 0xe9\); save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"a", "line 1 is not Unicode"),
        (TEXT.encode("utf-16-le"), "line 1 .*save it as UTF-8"),
        (b"a\r\nb\0", "line 2 holds a zero byte"),
        (b"PK\x03\x04\x14", "it is a workbook"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(data, says):
    with pytest.raises(ValueError, match=says):
        decode_text(data)
