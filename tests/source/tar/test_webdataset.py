"""Tests of images in WebDataset shards."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.support.archives import write_tar
from texgen.cli.main import run
from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source import SourceSpec, SplitListing, open_source


def listed(location: Path, **more: object) -> dict[str, list[ImageEntry]]:
    source = open_source(SourceSpec(str(location), format="webdataset", **more))
    return {split.name: list(source.entries(split)) for split in source.splits()}


def only(location: Path, **more: object) -> tuple[SplitListing, list[ImageEntry]]:
    source = open_source(SourceSpec(str(location), format="webdataset", **more))
    (split,) = source.splits()
    return split, list(source.entries(split))


def problems(location: Path, **more: object) -> list[str]:
    errors: list[SourceError] = []
    source = open_source(SourceSpec(str(location), format="webdataset", **more), errors.append)
    for split in source.splits():
        list(source.entries(split))
    return [str(error) for error in errors]


def labelled(*samples: tuple[str, str]) -> list[tuple[str, bytes]]:
    """Image and label of each sample."""
    members = []
    for name, label in samples:
        members += [(f"{name}.jpg", name.encode()), (f"{name}.cls", label.encode())]
    return members


def test_keys_labels_and_sources_are_kept(tmp_path):
    write_tar(tmp_path / "b.tar", labelled(("y/2", "1"), ("x/3", "0")))
    write_tar(tmp_path / "a.tar", labelled(("x/1", " 0\n")))
    split, entries = only(tmp_path)
    assert split == SplitListing("train", ("x", "y"))
    assert [(e.key, e.source, e.label, e.class_name, e.size) for e in entries] == [
        ("x/1", "a.tar!x/1.jpg", 0, "x", 3),
        ("x/3", "b.tar!x/3.jpg", 0, "x", 3),
        ("y/2", "b.tar!y/2.jpg", 1, "y", 3),
    ]


@pytest.mark.parametrize(
    ("samples", "classes"),
    [
        ([("x/1", "2"), ("y/1", "0")], ("y", "1", "x")),
        ([("x/1", "0"), ("y/1", "0")], ("0",)),
        ([("x/1", "0"), ("x/2", "1")], ("0", "1")),
        ([("1", "0"), ("x/2", "1")], ("0", "1")),
        ([("a", "3")], ("0", "1", "2", "3")),
        ([("0/1", "2"), ("z/1", "1")], ("0", "1", "2")),
    ],
)
def test_folders_name_classes_only_where_each_has_one_label(samples, classes, tmp_path):
    write_tar(tmp_path / "a.tar", labelled(*samples))
    split, entries = only(tmp_path)
    assert split.classes == classes
    assert {e.key: e.label for e in entries} == {key: int(label) for key, label in samples}
    assert all(e.class_name == classes[e.label or 0] for e in entries)


def test_a_subset_of_classes_has_labels_of_its_own(tmp_path):
    write_tar(tmp_path / "a.tar", labelled(("1", "4"), ("2", "2"), ("3", "0")))
    split, entries = only(tmp_path, classes=("4", "2"))
    assert split.classes == ("2", "4")
    assert [(e.key, e.label) for e in entries] == [("1", 1), ("2", 0)]


def test_keys_end_at_the_first_dot_and_are_escaped(tmp_path):
    members = [("./d.x/a b.left.PNG", b"1"), ("./d.x/a b.json", b"{}"), ("c~.jpeg", b"2")]
    write_tar(tmp_path / "a.tar", members)
    _, entries = only(tmp_path)
    assert [e.key for e in entries] == ["d~2ex/a~20b"]
    assert [e.key for e in only(write_tar(tmp_path / "x" / "b.tar", members[2:]))[1]] == ["c~7e"]


def test_without_cls_folders_are_classes_and_images_beside_them_are_counted(tmp_path):
    write_tar(tmp_path / "a.tar", [("b/1.jpg", b""), ("a/1.jpg", b""), ("c.jpg", b"")])
    split, entries = only(tmp_path, labels="/not/read")
    assert split.classes == ("a", "b")
    assert [(e.key, e.label) for e in entries] == [("a/1", 0), ("b/1", 1)]
    assert any("1 image beside the class folders" in note for note in split.notes)
    assert any("--labels is not used" in note for note in split.notes)


@pytest.mark.parametrize("cls", [[], [("1.cls", b"-1"), ("2.cls", b"-1\n")]])
def test_a_flat_split_takes_labels_by_file_name(cls, tmp_path):
    write_tar(tmp_path / "t" / "a.tar", sorted([("1.jpg", b"x"), ("2.jpg", b"y"), *cls]))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,class\n1.jpg,bee\n2,ant\n")
    split, entries = only(tmp_path / "t")
    assert (split.classes, [(e.key, e.label) for e in entries]) == ((), [("1", None), ("2", None)])
    split, entries = only(tmp_path / "t", labels=str(labels))
    assert split.classes == ("ant", "bee")
    assert [(e.key, e.label) for e in entries] == [("ant/2", 0), ("bee/1", 1)]
    with pytest.raises(SourceError, match="add --labels"):
        only(tmp_path / "t", classes=("ant",))
    labels.write_text("file,class\n1.jpg,bee\n")
    assert problems(tmp_path / "t", labels=str(labels)) == [
        "a.tar!2.jpg is not in --labels; add it, or take it out of the split"
    ]


def test_samples_without_an_image_and_members_that_are_not_files_are_counted(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b""), ("2.txt", b""), ("3.cls", b"1")])
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("4.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    write_tar(tmp_path / "b.tar", [("../../up.jpg", b""), ("/.hid/x.jpg", b""), ("/r/1.jpg", b"")])
    errors: list[SourceError] = []
    source = open_source(SourceSpec(str(tmp_path)), errors.append)
    (split,) = source.splits()
    assert "2 samples of 'train' without an image ignored (their files: .txt, .cls)" in split.notes
    assert "1 symbolic link in the tars of 'train' ignored" in split.notes
    hidden = "2 images of 'train' with a step of the path that begins with a dot ignored"
    assert hidden in split.notes
    # Another sample of the split has a label, so that these two lack theirs.
    assert [str(error).partition(" has no label")[0] for error in errors] == [
        "a.tar!1.jpg", "b.tar!/r/1.jpg",
    ]  # fmt: skip


def test_extensions_of_samples_without_an_image_are_noted_in_the_order_of_the_tar(tmp_path):
    extensions = ("txt", "cls", "json", "npy")
    members = [(f"{number}.{ext}", b"0") for number in range(3) for ext in extensions]
    path = write_tar(tmp_path / "a.tar", [*members, ("9.jpg", b""), ("9.cls", b"0")])
    split, _ = only(path)
    assert split.notes == (
        "3 samples of 'train' without an image ignored (their files: .txt, .cls, .json, .npy)",
    )


def test_two_images_of_a_sample_or_of_a_key_are_problems_that_name_both(tmp_path):
    write_tar(tmp_path / "a.tar", [("1.jpg", b""), ("1.png", b""), ("2.jpg", b""), ("1.cls", b"")])
    write_tar(tmp_path / "b.tar", [("2.webp", b"")])
    (tmp_path / "a.tar").rename(tmp_path / "c.tar")
    write_tar(tmp_path / "a.tar", [("1.jpg", b""), ("1.png", b""), ("2.jpg", b"")])
    (tmp_path / "c.tar").unlink()
    one, other = problems(tmp_path)
    assert one.startswith("a.tar!1.jpg and a.tar!1.png are images of one sample, since a key ends")
    assert one.endswith("choose by --image-field jpg or png")
    assert other.startswith("a.tar!2.jpg and b.tar!2.webp have the same key (2); rename one")
    assert "--keys file" in other


@pytest.mark.parametrize(
    ("label", "message"),
    [("", "is ''; expected"), ("ant", "is 'ant'; expected"), ("-2", "is '-2'; expected"),
     ("1.5", "is '1.5'; expected"), ("2000000", "not an index"), ("9" * 40, "expected a number"),
     ("x" * 300, "expected a number"), ("-1", "has no label")],
)  # fmt: skip
def test_a_malformed_label_is_a_problem_that_names_the_sample(label, message, tmp_path):
    write_tar(tmp_path / "a.tar", labelled(("1", "0"), ("2", label)))
    (problem,) = problems(tmp_path)
    assert message in problem
    assert "a.tar!2.jpg" in problem


def test_every_tar_that_is_cut_off_is_a_problem_and_the_rest_is_listed(tmp_path):
    for name in ("a", "b", "c"):
        path = write_tar(tmp_path / f"{name}.tar", [(f"{name}1.jpg", b"x"), (f"{name}2.jpg", b"x")])
        if name != "b":
            path.write_bytes(path.read_bytes()[:1500])
    errors: list[SourceError] = []
    source = open_source(SourceSpec(str(tmp_path)), errors.append)
    (split,) = source.splits()
    assert [e.key for e in source.entries(split)] == ["a1", "b1", "b2", "c1"]
    assert [str(error)[:26] for error in errors] == [
        "a.tar is cut off at byte 1", "c.tar is cut off at byte 1",
    ]  # fmt: skip
    with pytest.raises(SourceError, match=r"a\.tar is cut off"):
        only(tmp_path)


def test_splits_are_told_by_folders_and_by_names(tmp_path):
    for path in ("f/train/0.tar", "f/val/0.tar", "f/extra/0.tar", "n/in-train-0.tar",
                 "n/in-val-0.tar", "n/odd.tar", "val/0.tar"):  # fmt: skip
        write_tar(tmp_path / path, [("1.jpg", path.encode())])
    with pytest.raises(SourceError, match=r"'extra'.* --layout splits takes only the first"):
        listed(tmp_path / "f")
    source = open_source(SourceSpec(str(tmp_path / "f"), layout="splits"))
    assert [split.name for split in source.splits()] == ["train", "val"]
    assert "folder 'extra' is not a split and is ignored" in source.splits()[0].notes
    with pytest.raises(SourceError, match=r"1 file of no split \('odd.tar'\).* --layout splits"):
        listed(tmp_path / "n")
    source = open_source(SourceSpec(str(tmp_path / "n"), ("val",), layout="splits"))
    assert [split.name for split in source.splits()] == ["val"]
    assert "1 file of no split ('odd.tar') ignored" in source.splits()[0].notes
    (split,) = open_source(SourceSpec(str(tmp_path / "n"), layout="classes")).splits()
    assert split.name == "train"
    assert list(listed(tmp_path / "val")) == ["val"]
    assert list(listed(tmp_path / "val" / "0.tar")) == ["val"]
    assert list(listed(tmp_path / "n" / "odd.tar", selected=("test",))) == ["test"]
    for place, selected in (("n/in-val-*.tar", "test"), ("val", "train")):
        with pytest.raises(SourceError, match=f"--split {selected}"):
            listed(tmp_path / place, selected=(selected,))


def test_an_empty_shard_holds_nothing(tmp_path):
    write_tar(tmp_path / "a.tar", [])
    write_tar(tmp_path / "b.tar", [("1.jpg", b"x")])
    assert [e.key for e in only(tmp_path)[1]] == ["1"]


def test_names_that_are_not_utf_8_are_read_and_shown(tmp_path):
    folder = os.fsdecode(b"\xff")
    write_tar(tmp_path / "src" / f"train-{folder}.tar", [(b"\xfe/\xff.jpg", b"x")])
    write_tar(tmp_path / "src" / "train-0.tar", [("a/1.jpg", b"y")])
    source = open_source(SourceSpec(str(tmp_path / "src")))
    (split,) = source.splits()
    assert split.classes == ("a", r"\xfe")
    entries = list(source.entries(split))
    assert [(e.key, e.source, source.read(e)) for e in entries] == [
        ("a/1", "train-0.tar!a/1.jpg", b"y"),
        ("~fe/~ff", r"train-\xff.tar!\xfe/\xff.jpg", b"x"),
    ]
    arguments = ["--src", str(tmp_path / "src"), "--engine", "stub", "--size", "16", "--no-ray"]
    # Neither image can be decoded, and the build records them as failed.
    assert run(["build", *arguments, "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert run(["verify", str(tmp_path / "out")]) == 0


def test_shards_of_the_webdataset_library_are_read(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "train-0.tar")) as writer:
        for number in (1, 0):
            key = f"class{number}/{'long' * 40}{number}"
            writer.write({"__key__": key, "jpg": b"%d" % number, "cls": number, "json": {"a": 1}})
    source = open_source(SourceSpec(str(tmp_path)))
    (split,) = source.splits()
    assert split.classes == ("class0", "class1")
    entries = list(source.entries(split))
    assert [(e.key, e.label, source.read(e)) for e in entries] == [
        (f"class{n}/{'long' * 40}{n}", n, b"%d" % n) for n in (0, 1)
    ]
