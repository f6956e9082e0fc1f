from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texgen.core.errors import ConfigError, ImageError, SourceChangedError, SourceError
from texgen.core.types import ImageEntry
from texgen.source import FolderSource, SourceSpec, open_source
from texgen.source.paths import displayable as shown_as


def fill(root: Path, *names: str | bytes) -> FolderSource:
    """A source with files of the given names; each file contains its own name."""
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))  # noqa: PTH118 - bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(os.fsencode(name))
    return FolderSource(SourceSpec(os.fsdecode(root)))


def listed(source: FolderSource) -> dict[str, list[ImageEntry]]:
    return {split.name: list(source.entries(split)) for split in source.splits()}


def keys(source: FolderSource, split: str = "train") -> list[str]:
    return [entry.key for entry in listed(source)[split]]


def notes(source: FolderSource) -> str:
    return "\n".join(note for split in source.splits() for note in split.notes)


def test_a_split_lists_its_classes_images_in_key_order(tmp_path):
    source = fill(tmp_path, "train/b/2.jpg", "train/a/10.png", "train/a/9.JPEG", "train/b/1.webp")
    entries = listed(source)["train"]
    assert [(e.key, e.source, e.label, e.class_name, e.size) for e in entries] == [
        ("a/10", "train/a/10.png", 0, "a", 14),
        ("a/9", "train/a/9.JPEG", 0, "a", 14),
        ("b/1", "train/b/1.webp", 1, "b", 14),
        ("b/2", "train/b/2.jpg", 1, "b", 13),
    ]
    assert [source.read(entry) for entry in entries] == [os.fsencode(e.source) for e in entries]


def test_folders_with_split_names_are_the_splits_and_others_are_noted(tmp_path):
    source = fill(tmp_path, "val/a/1.jpg", "train/a/1.jpg", "test/a/1.jpg", "extra/a/1.xml")
    assert [split.name for split in source.splits()] == ["test", "train", "val"]
    assert "'extra'" in notes(source)


def test_labels_count_the_classes_of_each_split_alone(tmp_path):
    source = fill(tmp_path, "train/a/1.jpg", "train/c/1.jpg", "val/b/1.jpg", "val/c/1.jpg")
    labels = {(s, e.class_name): e.label for s, split in listed(source).items() for e in split}
    assert labels == {("train", "a"): 0, ("train", "c"): 1, ("val", "b"): 0, ("val", "c"): 1}


def test_a_class_folder_without_images_still_has_a_label(tmp_path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    source = fill(tmp_path, "train/b/1.jpg")
    assert source.splits()[0].classes == ("a", "b")
    assert [entry.label for entry in listed(source)["train"]] == [1]


def test_labels_sort_as_text_though_keys_sort_as_bytes(tmp_path):
    source = fill(tmp_path, "train/a b/1.jpg", "train/a/1.jpg", "train/a-b/1.jpg", "train/é/1.jpg")
    (split,) = source.splits()
    assert split.classes == ("a", "a b", "a-b", "é")
    entries = list(source.entries(split))
    assert [(e.key, e.label) for e in entries] == [
        ("a-b/1", 2), ("a/1", 0), ("a~20b/1", 1), ("~c3~a9/1", 3),
    ]  # fmt: skip


def test_a_split_without_folders_is_flat_and_has_no_labels(tmp_path):
    source = fill(tmp_path, "val/2.jpg", "val/1.jpg", "val/notes.txt")
    entries = listed(source)["val"]
    assert [(e.key, e.label, e.class_name) for e in entries] == [
        ("1", None, None),
        ("2", None, None),
    ]
    assert source.splits()[0].classes == ()


def test_images_beside_class_folders_are_ignored_and_counted(tmp_path):
    source = fill(tmp_path, "train/a/1.jpg", "train/x.jpg", "train/y.png", "train/z.txt")
    assert keys(source) == ["a/1"]
    assert "2 images" in notes(source)


def test_names_that_begin_with_a_dot_are_ignored(tmp_path):
    source = fill(
        tmp_path, "train/a/.hid.jpg", "train/a/.jpg", "train/.hid/1.jpg", "train/a/.d/1.jpg",
        ".val/a/1.jpg", "train/a/1.jpg",
    )  # fmt: skip
    assert {split: len(entries) for split, entries in listed(source).items()} == {"train": 1}


def test_extensions_are_those_that_pillow_reads_in_any_case_and_others_are_counted(tmp_path):
    yes = ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "JPEG", "Png"]
    yes += ["jpe", "JFIF", "gif", "dib", "pbm", "pnm", "jp2", "avif", "tga"]
    no = ["txt", "jpg~", "heic", "HEIC", "xjpg.zip"]
    names = [f"train/a/{i:02d}.{extension}" for i, extension in enumerate([*yes, *no])]
    source = fill(tmp_path, *names)
    (split,) = source.splits()
    assert len(list(source.entries(split))) == len(yes)
    assert source.notes(split) == [
        "5 files of 'train' ignored: no images by their names (2 .heic, 1 .jpg~, 1 .txt, 1 .zip)"
    ]


def test_folders_inside_a_class_belong_to_it(tmp_path):
    entries = listed(fill(tmp_path, "train/a/x/y/1.jpg", "train/a/x.jpg", "train/b/1.jpg"))["train"]
    assert [(e.key, e.class_name) for e in entries] == [
        ("a/x", "a"),
        ("a/x/y/1", "a"),
        ("b/1", "b"),
    ]


def test_two_images_of_one_key_are_an_error_that_names_both(tmp_path):
    source = fill(tmp_path, "train/a/1.jpg", "train/a/1.png")
    with pytest.raises(SourceError) as caught:
        listed(source)
    assert "train/a/1.jpg" in str(caught.value)
    assert "train/a/1.png" in str(caught.value)


@pytest.mark.parametrize(
    ("folder", "selected", "name"),
    [
        ("val", (), "val"), ("validation", ("validation",), "validation"), ("photos", (), "train"),
        ("photos", ("test",), "test"),
    ],
)  # fmt: skip
def test_a_source_without_split_folders_is_one_split(tmp_path, folder, selected, name):
    fill(tmp_path / folder, "a/1.jpg")
    source = FolderSource(SourceSpec(str(tmp_path / folder), selected))
    (entry,) = listed(source)[name]
    assert (entry.key, entry.source) == ("a/1", "a/1.jpg")


def test_a_split_is_named_after_its_folder_however_that_is_reached(tmp_path):
    fill(tmp_path / "val", "a/1.jpg", "a/b/2.jpg")
    source = FolderSource(SourceSpec(f"{tmp_path}/val/a/.."))
    assert [split.name for split in source.splits()] == ["val"]


@pytest.mark.parametrize(
    ("folder", "selected"), [("val", ("train",)), ("photos", ("train", "val")), ("with", ("val",))]
)
def test_a_split_that_is_not_there_is_refused_by_name(tmp_path, folder, selected):
    fill(tmp_path / "val", "a/1.jpg")
    fill(tmp_path / "photos", "a/1.jpg")
    fill(tmp_path / "with", "train/a/1.jpg")
    with pytest.raises(SourceError, match="--split"):
        FolderSource(SourceSpec(str(tmp_path / folder), selected)).splits()


def test_only_selected_splits_are_taken(tmp_path):
    fill(tmp_path, "train/a/1.jpg", "val/a/1.jpg", "test/a/1.jpg")
    source = FolderSource(SourceSpec(str(tmp_path), ("val", "test")))
    assert [split.name for split in source.splits()] == ["test", "val"]


def test_links_are_followed_and_loops_end(tmp_path):
    fill(tmp_path / "store", "1.jpg", "deep/2.jpg")
    source = fill(tmp_path / "src", "train/a/0.jpg")
    split = tmp_path / "src" / "train"
    (split / "b").symlink_to(tmp_path / "store")
    (split / "a" / "file.jpg").symlink_to(tmp_path / "store" / "1.jpg")
    (split / "a" / "up").symlink_to(split)
    (split / "a" / "self").symlink_to(split / "a")
    assert keys(source) == ["a/0", "a/file", "b/1", "b/deep/2"]


@pytest.mark.parametrize("target", ["nothing.jpg", "link.jpg"])
def test_a_dangling_link_or_a_link_to_itself_is_a_missing_image(tmp_path, target):
    source = fill(tmp_path, "train/a/0.jpg")
    (tmp_path / "train" / "a" / "link.jpg").symlink_to(target)
    entries = {entry.key: entry for entry in listed(source)["train"]}
    assert entries["a/link"].size == -1
    with pytest.raises(ImageError) as caught:
        source.read(entries["a/link"])
    assert caught.value.code == "image_missing"


def test_names_that_are_not_utf_8_are_read_and_shown(tmp_path):
    source = fill(tmp_path, b"train/\xff/\xfe.jpg", "train/é/ö.jpg")
    entries = listed(source)["train"]
    assert {entry.key: source.read(entry) for entry in entries} == {
        "~ff/~fe": b"train/\xff/\xfe.jpg",
        "~c3~a9/~c3~b6": "train/é/ö.jpg".encode(),
    }
    assert all(entry.source.encode() and (entry.class_name or "").encode() for entry in entries)


def test_no_two_names_are_shown_as_one(tmp_path):
    names = [rb"\xff.jpg", b"\xff.jpg", rb"\x5cxff.jpg", rb"\xFF.jpg", rb"\xf" + b"\xff.jpg"]
    source = fill(tmp_path, *(b"train/a/" + name for name in names))
    shown = {entry.locator: entry.source for entry in listed(source)["train"]}
    assert len(set(shown.values())) == len(names)
    assert shown[b"train/a/\xff.jpg"] == r"train/a/\xff.jpg"
    assert shown[rb"train/a/\xff.jpg"] == r"train/a/\x5cxff.jpg"
    assert shown[rb"train/a/\xFF.jpg"] == r"train/a/\xFF.jpg"


@given(st.lists(st.sampled_from([b"\xff", b"\\", b"x", b"f", b"5", b"c"]), max_size=12))
def test_the_bytes_of_a_name_can_be_read_off_what_is_shown(parts):
    name = b"".join(parts)
    read = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), shown_as(name).encode())
    assert read == name


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Callable[[int, str], None]]:
    """Makes nested folders below a class, with an image in the innermost."""
    before = Path.cwd()

    def nest(depth: int, name: str) -> None:
        (tmp_path / "train" / "a").mkdir(parents=True)
        os.chdir(tmp_path / "train" / "a")
        for _ in range(depth):
            Path(name).mkdir()
            # One path to the innermost folder may be too long for the system.
            os.chdir(name)
        Path("1.jpg").touch()

    yield nest
    os.chdir(before)
    # Python's own `rmtree` recurses once per folder.
    subprocess.run(["rm", "-rf", tmp_path / "train"], check=True)


def test_folders_may_be_nested_more_deeply_than_calls(tmp_path, nested):
    nested(sys.getrecursionlimit() + 100, "d")
    assert len(keys(FolderSource(SourceSpec(str(tmp_path))))) == 1


def test_a_path_that_the_system_does_not_take_is_refused(tmp_path, nested):
    nested(50, "d" * 100)
    with pytest.raises(SourceError, match=r"cannot list .*: File name too long"):
        keys(FolderSource(SourceSpec(str(tmp_path))))


@contextlib.contextmanager
def as_other_user():
    """Acts as a user who owns nothing, if this one may read everything."""
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


def test_images_of_which_only_the_names_may_be_read_are_an_error():
    # `chmod -R a+r` lets others list a folder, and not enter it. pytest's own are closed to them.
    with tempfile.TemporaryDirectory(prefix="texgen-") as folder:
        source = fill(Path(folder), "train/ant/a.jpg", "train/bee/b.jpg")
        Path(folder).chmod(0o755)
        (Path(folder) / "train" / "ant").chmod(0o744 if os.getuid() == 0 else 0o444)
        with (
            as_other_user(),
            pytest.raises(SourceError, match=r"cannot read .*a\.jpg: Perm"),
        ):
            keys(source)
        (Path(folder) / "train" / "ant").chmod(0o755)


def replaced_by_longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_class(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"")


@pytest.mark.parametrize(
    "change", [Path.unlink, replaced_by_longer, replaced_by_folder, replaced_class]
)
def test_a_image_that_changed_since_it_was_listed_is_an_error(tmp_path, change):
    source = fill(tmp_path, "train/a/1.jpg")
    (entry,) = listed(source)["train"]
    change(tmp_path / "train" / "a" / "1.jpg")
    with pytest.raises(SourceChangedError, match=r"train/a/1\.jpg"):
        source.read(entry)


@pytest.mark.parametrize("place", ["s3://bucket/x", "missing", "file.tar", "loop", "n" * 300])
def test_a_place_that_cannot_be_read_is_refused_by_name(tmp_path, place):
    (tmp_path / "file.tar").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    location = place if "://" in place else str(tmp_path / place)
    with pytest.raises(ConfigError, match=place):
        open_source(SourceSpec(location))


PART = st.binary(min_size=1, max_size=4).filter(
    lambda name: not set(name) & set(b"/\0") and not name.startswith(b".")
)
FILES = st.sets(st.lists(PART, min_size=2, max_size=4).map(tuple), min_size=1, max_size=8)


@settings(max_examples=40)
@given(FILES)
def test_any_tree_lists_every_image_once_in_key_order(paths: Iterable[tuple[bytes, ...]]):
    with tempfile.TemporaryDirectory() as folder:
        # The prefixes keep a file and a folder from having the same name.
        below = {b"/".join([*(b"d" + p for p in path[:-1]), b"f" + path[-1]]) for path in paths}
        fill(Path(folder), *(b"train/" + path + b".jpg" for path in below))
        # With --layout auto a single folder around others is refused.
        source = FolderSource(SourceSpec(folder, layout="splits"))
        entries = listed(source)["train"]
        assert {entry.locator for entry in entries} == {b"train/" + p + b".jpg" for p in below}
        assert [e.key for e in entries] == sorted({e.key for e in entries})
        names = sorted(os.listdir(Path(folder) / "train"))  # noqa: PTH208 - as torchvision does
        for entry in entries:
            own = os.fsdecode(entry.locator.split(b"/")[1])
            assert entry.label == names.index(own)
