"""The photograph of a manifest row, found without listing the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import make_source
from texgen.errors import SourceError
from texgen.source import SourceSpec, open_source
from texgen.source.folder import _text, locator_of


def test_a_photograph_is_found_by_what_the_manifest_calls_it(tmp_path: Path) -> None:
    make_source(tmp_path / "train", {"ant": 1})
    odd = os.fsencode(tmp_path / "train" / "ant") + b"/\xff \\x5c.jpg"
    Path(os.fsdecode(odd)).write_bytes(b"odd")
    source = open_source(SourceSpec(str(tmp_path)))
    (split,) = source.splits()
    for entry in source.entries(split):
        found = source.find(entry.key, entry.source)
        assert source.read(found) == source.read(entry)
        assert (found.key, found.locator, found.size) == (entry.key, entry.locator, entry.size)


@given(st.binary().map(lambda path: path.replace(b"\0", b"")))
def test_every_path_comes_back_from_its_text(path: bytes) -> None:
    assert locator_of(_text(path)) == path


@given(st.lists(st.sampled_from([b"\\", b"x", b"5", b"c", b"a", b"\xff", "é".encode()])))
def test_paths_that_look_escaped_come_back_too(pieces: list[bytes]) -> None:
    assert locator_of(_text(b"".join(pieces))) == b"".join(pieces)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("train/wasp.jpg", "name the SRC of the build"),
        ("../secret.jpg", "lies outside of --src"),
        ("train/../../secret.jpg", "lies outside of --src"),
        ("/etc/passwd", "lies outside of --src"),
        (r"\x2e\x2e/secret.jpg", "lies outside of --src"),
        ("a\0b", "lies outside of --src"),
    ],
)
def test_what_is_not_in_the_source_is_named(tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    root = make_source(tmp_path / "src" / "train", {"ant": 1}).parent
    with pytest.raises(SourceError, match=says):
        open_source(SourceSpec(str(root))).find("key", source)
