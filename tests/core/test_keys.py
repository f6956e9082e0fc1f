from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from texgen.core.keys import (
    MAX_STEP,
    MAX_TEXTURES,
    class_folder_name,
    escape,
    image_key,
    texture_key,
)

NAMES = st.binary(min_size=1, max_size=20)
KEYS = NAMES.map(escape)


def original(key: str) -> bytes:
    """The name that a key was made of, read off the rule in ``docs/formats.md``."""
    return re.sub(rb"~(..)", lambda match: bytes([int(match[1], 16)]), key.encode())


def test_a_dot_in_a_folder_name_is_escaped():
    assert image_key(b"v1.0/a.jpg") == "v1~2e0/a"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (b"n01440764/n01440764_10026.JPEG", "n01440764/n01440764_10026"),
        (b"a/b-c_D9.png", "a/b-c_D9"),
        (b"a/b.tar.png", "a/b~2etar"),
        (b"a/b..png", "a/b~2e"),
        (b"a.b/c", "a~2eb/c"),
        (b"a/sub/b.jpg", "a/sub/b"),
        (b"a/~.jpg", "a/~7e"),
        (b"a/x y+z.jpg", "a/x~20y~2bz"),
        (b"a/\xff\x00.jpg", "a/~ff~00"),
        ("ü/é.jpg".encode(), "~c3~bc/~c3~a9"),
        (b"top.jpg", "top"),
    ],
)
def test_a_key_is_the_escaped_path_without_its_last_extension(path, key):
    assert image_key(path) == key


def test_names_that_differ_in_unicode_form_alone_keep_different_keys():
    forms = {image_key(unicodedata.normalize(form, "é.jpg").encode()) for form in ("NFC", "NFD")}
    assert len(forms) == 2


@given(NAMES)
def test_a_key_is_plain_ascii_without_a_dot(name):
    assert re.fullmatch(r"[A-Za-z0-9_/~-]*", escape(name))


@given(NAMES)
def test_a_key_tells_the_name_that_it_was_made_of(name):
    assert original(escape(name)) == name


@given(NAMES, NAMES)
def test_different_names_give_different_keys(first, second):
    assume(first != second)
    assert escape(first) != escape(second)


@given(st.sets(KEYS, min_size=1, max_size=8), st.integers(1, 12))
def test_textures_of_sorted_images_are_sorted_by_bytes(keys, textures):
    made = [texture_key(key, index).encode() for key in sorted(keys) for index in range(textures)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_the_most_textures_an_image_may_have_still_sort():
    made = [texture_key("a", index) for index in range(MAX_TEXTURES)]
    assert made == sorted(made)
    assert made[1] == "a+001"
    assert made[-1] == "a+999"


def test_textures_come_before_every_longer_name():
    followers = [escape(b"a" + bytes([byte])) for byte in range(256)]
    assert all("a" < texture_key("a", 999) < follower for follower in followers)


@pytest.mark.parametrize(
    ("class_name", "folder"),
    [
        ("a/abbey", "a/abbey"), ("/a/abbey", "~2fa/abbey"), ("/", "~2f"), ("a/", "a~2f"),
        ("a//b", "a~2f/b"), ("//", "~2f~2f"), (".", "~2e"), ("..", "~2e~2e"), ("../x", "~2e~2e/x"),
    ],
)  # fmt: skip
def test_a_class_name_with_slashes_leaves_no_empty_step(class_name, folder):
    assert image_key(f"{class_name}/1.jpg".encode()) == f"{folder}/1"


@given(st.lists(st.sampled_from([b"/", b"a", b".", b"~"]), min_size=1, max_size=9).map(b"".join))
def test_no_key_begins_with_a_slash_or_holds_an_empty_step(class_name):
    assert all(escape(class_name + b"/x").split("/"))


@pytest.mark.parametrize("name", ["猫" * 83, "п" * 127, "~" * 246, "x" * 255, "a." * 120])
def test_a_long_name_fits_a_file_name_with_every_suffix(name):
    key = image_key(f"{name}/{name}.jpg".encode())
    assert all(len(step) <= MAX_STEP for step in key.split("/"))
    assert len(f"{key.rpartition('/')[2]}+999.json") <= 255
    # Two hex digits follow every other "~", and none is cut.
    assert re.fullmatch(r"([A-Za-z0-9_-]|~[0-9a-f]{2}|~-(?=[0-9a-f]{24}(/|$))|/)+", key)


def test_names_that_differ_behind_the_cut_keep_different_keys():
    assert escape("猫".encode() * 84) != escape("猫".encode() * 83 + "狗".encode())


def test_the_longest_name_that_fits_is_left_as_it_is():
    assert escape(b"x" * 246) == "x" * 246
    assert escape(b"x" * 247) != "x" * 247
    # Parts are looked at, and not the whole.
    assert escape(b"/".join([b"x" * 200] * 9)) == "/".join(["x" * 200] * 9)


def test_a_class_is_one_folder_of_an_export_whatever_its_name():
    names = ["/a/abbey", "a/abbey", "a", "猫" * 99, "."]
    steps = [class_folder_name(name) for name in names]
    assert steps[:3] == ["~2fa~2fabbey", "a~2fabbey", "a"]
    assert len(set(steps)) == len(names)
    assert all("/" not in step and len(step) <= MAX_STEP for step in steps)
