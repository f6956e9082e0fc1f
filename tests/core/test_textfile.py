from __future__ import annotations

import codecs

import pytest

from texgen.core.textfile import decode_text

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
