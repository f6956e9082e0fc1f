from __future__ import annotations

import os

import pytest

from texgen.core.text import escape_unprintable, format_bytes, pluralize


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
