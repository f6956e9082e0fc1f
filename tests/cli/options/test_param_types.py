from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.cli.options.param_types import Budget, Name, Place, Program, Seconds


@given(st.integers(0, 10**9))
def test_a_number_is_a_number_of_images(number):
    found = Budget().convert(str(number), None, None)
    assert (type(found), found) == (int, number)


@pytest.mark.parametrize(
    ("text", "share"),
    [("1%", 0.01), ("0%", 0.0), ("100%", 1.0), ("0.5%", 0.005), (" 2% ", 0.02), ("250%", 1.0)],
)
def test_a_percentage_is_a_share_of_the_images(text, share):
    found = Budget().convert(text, None, None)
    assert isinstance(found, float)
    assert found == pytest.approx(share)


@pytest.mark.parametrize(
    "text",
    [
        "", "-1", "-1%", "1 %x", "1.5", "%", "many", "1e3", "nan%", "inf%", "1.%", "²", "0x10",
        "9" * 5000, "٣%",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(click.BadParameter, match="1%"):
        Budget().convert(text, None, None)


def refusal(kind: click.ParamType, text: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    return caught.value.format_message()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nan", "nan is not a number of seconds"),
        ("inf", "inf is not in the range 0<x<=86400."),
        ("-inf", "-inf is not in the range 0<x<=86400."),
        ("1e300", "1e+300 is not in the range 0<x<=86400."),
        ("0", "0.0 is not in the range 0<x<=86400."),
        ("-1", "-1.0 is not in the range 0<x<=86400."),
        ("86401", "86401.0 is not in the range 0<x<=86400."),
        ("long", "'long' is not a valid float range."),
    ],
)
def test_a_time_that_no_clock_takes_is_refused(text, message):
    assert refusal(Seconds(), text) == f"Invalid value: {message}"


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("86400", 86400.0), ("1e2", 100.0)])
def test_seconds_up_to_a_day_are_taken(text, seconds):
    assert Seconds().convert(text, None, None) == seconds


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the temporary folder, with a home folder in it, the current one."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("~", "home"), ("~/x/y", "home/x/y"), ("a/b", "a/b"), ("./~", "~"),
        ("./~user/x", "~user/x"), ("a~b", "a~b"), (".", ""),
        ("./s3:/x", "s3:/x"), ("c:/x", "c:/x"),
    ],
)  # fmt: skip
def test_a_place_is_absolute_with_the_home_folder_in_it(here, text, place):
    assert Place().convert(text, None, None) == str(here / place)


@pytest.mark.parametrize("text", ["s3://bucket/~/x", "https://host/x"])
def test_a_url_is_a_place_as_it_is(text):
    assert Place().convert(text, None, None) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"), ("~nosuchuser/x", "no such user"), ("loop", "symbolic links"),
        ("loop/x", "symbolic links"), ("a" * 256, "too long"), ("d/" * 3000, "too long"),
        ("file/x", "Not a directory"), (os.fsdecode(b"\xff"), r"/\xff is not UTF-8"),
        ("a\nb", r"/a\nb holds a line break"),
        ("s3:/bucket/x", "two slashes"), ("https:/host", "two slashes"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_looked_for_is_refused_with_the_reason(here, text, says):
    (here / "loop").symlink_to("loop")
    (here / "file").touch()
    assert says in refusal(Place(), text)


def test_a_place_behind_a_closed_folder_is_refused(here, monkeypatch):
    def closed(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", closed)
    assert f"{here / 'x'}: Permission denied" in refusal(Place(), "x")


@pytest.mark.parametrize("text", ["x", "/tmp"])
def test_a_current_folder_that_was_deleted_is_said(here, text):
    (here / "gone").mkdir()
    os.chdir(here / "gone")
    (here / "gone").rmdir()
    assert "deleted" in refusal(Place(), text)


def test_a_image_may_have_a_name_that_is_not_utf_8(here):
    name = os.fsdecode(b"\xff.png")
    assert Place(utf8=False).convert(name, None, None) == str(here / name)


@pytest.mark.parametrize("text", ["imagenet-texture", "", "größer", "a b"])
def test_a_name_is_text_as_it_is(text):
    assert Name().convert(text, None, None) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [(os.fsdecode(b"a\xff"), r"a\xff is not UTF-8"), ("a\nb", r"a\nb holds a line break")],
)
def test_a_name_that_json_or_a_line_cannot_hold_is_refused(text, says):
    assert says in refusal(Name(), text)


def test_a_program_without_a_folder_is_looked_for_on_path(here):
    found = [Program().convert(t, None, None) for t in ("ts", "./ts", "bin/ts", "~/ts")]
    assert found == ["ts", *(str(here / place) for place in ("ts", "bin/ts", "home/ts"))]
    assert "empty" in refusal(Program(), "")
