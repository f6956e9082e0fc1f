"""Tests of the official tars of ILSVRC-2012."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.source.labels.test_files import CLASSES, NAMES, kaggle, kit, unpacked
from tests.support.archives import write_ilsvrc_train, write_tar
from texgen.core.errors import ConfigError, SourceError
from texgen.core.types import ImageEntry
from texgen.source import SourceSpec, open_source

FILES = {"n01443537/n01443537_2.JPEG": b"gold", "n01440764/n01440764_10026.JPEG": b"tench"}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """A folder with both tars, in the form of the official downloads."""
    write_ilsvrc_train(tmp_path / "src", FILES)
    val = [(f"{name}.JPEG", name.encode()) for name in NAMES]
    write_tar(tmp_path / "src" / "ILSVRC2012_img_val.tar", val)
    return tmp_path / "src"


def listed(location: Path, **more: object) -> dict[str, list[ImageEntry]]:
    source = open_source(SourceSpec(str(location), **more))
    return {split.name: list(source.entries(split)) for split in source.splits()}


def test_keys_and_sources_are_those_of_the_contract(src):
    assert [(e.key, e.source, e.label, e.class_name, e.size) for e in listed(src)["train"]] == [
        ("n01440764/n01440764_10026",
         "ILSVRC2012_img_train.tar!n01440764.tar!n01440764_10026.JPEG", 0, "n01440764", 5),
        ("n01443537/n01443537_2",
         "ILSVRC2012_img_train.tar!n01443537.tar!n01443537_2.JPEG", 1, "n01443537", 4),
    ]  # fmt: skip


def test_a_tar_alone_is_its_split(src):
    assert list(listed(src / "ILSVRC2012_img_val.tar")) == ["val"]
    assert list(listed(src / "ILSVRC2012_img_train.tar")) == ["train"]
    assert list(listed(src, selected=("val",))) == ["val"]
    with pytest.raises(SourceError, match="--split test: SRC has only train, val"):
        listed(src, selected=("test",))


def test_val_without_labels_is_flat(src):
    assert next((e.key, e.label, e.source) for e in listed(src)["val"]) == (
        "ILSVRC2012_val_00000001", None, "ILSVRC2012_img_val.tar!ILSVRC2012_val_00000001.JPEG",
    )  # fmt: skip


def test_a_folder_that_cannot_be_searched_for_the_kit_is_named(src, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("texgen.source.tar.ilsvrc.list_folder", refuse)
    with pytest.raises(SourceError, match=f"cannot list {src}: Permission denied"):
        listed(src / "ILSVRC2012_img_val.tar")


@pytest.mark.parametrize("where", ["kit", "unpacked", "labels"])
def test_val_has_the_labels_of_the_kit_beside_it_or_of_the_option(where, src, tmp_path):
    more = {}
    if where == "kit":
        shutil.move(kit(tmp_path), src)
    elif where == "unpacked":
        shutil.move(unpacked(tmp_path) / "ILSVRC2012_devkit_t12", src)
    else:
        more["labels"] = str(kaggle(tmp_path))
    entries = listed(src, **more)["val"]
    expected = sorted((f"{c}/{n}", c) for n, c in zip(NAMES, CLASSES, strict=True))
    assert [(e.key, e.class_name) for e in entries] == expected
    assert {e.class_name: e.label for e in entries} == {
        name: label for label, name in enumerate(sorted(set(CLASSES)))
    }


def test_a_kit_that_is_damaged_is_named(src):
    (src / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"\x1f\x8bcut")
    with pytest.raises(ConfigError, match=r"ILSVRC2012_devkit_t12\.tar\.gz"):
        listed(src)


def test_an_empty_class_has_a_label_and_what_is_beside_is_noted(src):
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    with tarfile.open(src / "ILSVRC2012_img_train.tar", "a") as tar:
        for name, data in (("n00000000.tar", empty.getvalue()), ("beside.JPEG", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    write_tar(src / "ILSVRC2012_img_test_v10102019.tar", [])
    source = open_source(SourceSpec(str(src), selected=("train",)))
    (split,) = source.splits()
    assert split.classes == ("n00000000", "n01440764", "n01443537")
    assert [e.label for e in source.entries(split)] == [1, 2]
    assert split.notes == (
        "ILSVRC2012_img_test_v10102019.tar is none of ILSVRC-2012's tars and is ignored",
        "1 file beside the class tars of 'train' ignored",
    )


def test_a_class_tar_that_is_cut_off_is_named_with_the_byte_in_the_whole(src):
    path = src / "ILSVRC2012_img_train.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 600])
    errors: list[SourceError] = []
    source = open_source(SourceSpec(str(src)), errors.append)
    split = source.splits()[0]
    assert [e.key for e in source.entries(split)] == ["n01440764/n01440764_10026"]
    assert str(errors[0]).startswith("ILSVRC2012_img_train.tar is cut off at byte ")
    # The outer tar is complete, but a class tar in it is cut off.
    inner = write_tar(src.parent / "n.tar", [("a.JPEG", b"x" * 2000)]).read_bytes()[:1024]
    write_tar(path, [("n01440764.tar", inner)])
    with pytest.raises(SourceError, match=r"train\.tar!n01440764\.tar is cut off at byte 512 "):
        listed(src)


def test_one_name_in_two_class_tars_of_a_class_is_a_problem(src):
    inner = (src.parent / "x.tar", [("a.JPEG", b"1")])
    data = write_tar(*inner).read_bytes()
    write_tar(src / "ILSVRC2012_img_train.tar", [("n1.tar", data), ("n1.tar", data)])
    with pytest.raises(SourceError, match=r"n1.tar!a.JPEG and .*n1.tar!a.JPEG have the same key"):
        listed(src, selected=("train",))


def test_an_error_on_a_folder_without_the_tars_names_the_expected_ones(tmp_path):
    with pytest.raises(SourceError, match=r"expected ILSVRC2012_img_train\.tar or"):
        open_source(SourceSpec(str(tmp_path), format="ilsvrc")).splits()


def test_every_class_tar_that_is_damaged_is_named(src):
    good = write_tar(src.parent / "g.tar", [("a.JPEG", b"1"), ("b.JPEG", b"2")]).read_bytes()
    tars = [("n1.tar", good[:1500]), ("n2.tar", good), ("n3.tar", b"x" * 600)]
    write_tar(src / "ILSVRC2012_img_train.tar", tars)
    errors: list[SourceError] = []
    source = open_source(SourceSpec(str(src), selected=("train",)), errors.append)
    (split,) = source.splits()
    assert [e.key for e in source.entries(split)] == ["n1/a", "n2/a", "n2/b"]
    assert [str(error).partition(" is ")[0] for error in errors] == [
        "ILSVRC2012_img_train.tar!n1.tar", "ILSVRC2012_img_train.tar!n3.tar",
    ]  # fmt: skip


def test_tars_that_were_packed_again_with_other_paths_have_the_same_keys(src):
    inner = write_tar(src.parent / "i.tar", [("./n01440764_1.JPEG", b"1")]).read_bytes()
    write_tar(src / "ILSVRC2012_img_train.tar", [("./train/n01440764.tar", inner)])
    write_tar(src / "ILSVRC2012_img_val.tar", [(f"./{NAMES[0]}.JPEG", b"1")])
    keys = {name: [e.key for e in entries] for name, entries in listed(src).items()}
    assert keys == {"train": ["n01440764/n01440764_1"], "val": [NAMES[0]]}
