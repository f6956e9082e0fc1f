"""Tars and Parquet files as other tools and people write them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import synthetic_image
from tests.support.archives import write_tar
from texgen.cli.main import run
from texgen.core.errors import ConfigError, SourceError
from texgen.core.types import ImageEntry
from texgen.source import Source, SourceSpec, SplitListing, open_source


def opened(
    location: Path, form: str = "webdataset", **more: Any
) -> tuple[Source, SplitListing, list[ImageEntry]]:
    source = open_source(SourceSpec(str(location), format=form, **more))
    (split,) = source.splits()
    return source, split, list(source.entries(split))


def rows(location: Path, form: str = "webdataset", **more: Any) -> list[tuple[str, str | None]]:
    """Key and class of every image."""
    return [(e.key, e.class_name) for e in opened(location, form, **more)[2]]


def put(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    table = pa.table(columns)
    if features:
        about = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": about})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


IMAGES = [{"bytes": b"%d" % n, "path": f"{n}.jpg"} for n in range(3)]


def test_files_of_a_sample_may_lie_apart(tmp_path):
    members = [
        ("b.jpg", b"x"),
        ("a.jpg", b"y"),
        ("a.cls", b"0"),
        ("b.json", b"{}"),
        ("b.cls", b"1"),
    ]
    write_tar(tmp_path / "x.tar", members)
    for _ in range(2):
        # The second time the index comes from the cache.
        assert rows(tmp_path) == [("a", "0"), ("b", "1")]


def test_one_name_twice_in_a_tar_is_a_problem_with_both_places(tmp_path):
    write_tar(tmp_path / "x.tar", [("a.jpg", b"1"), ("b.jpg", b"2"), ("a.jpg", b"3")])
    with pytest.raises(SourceError, match=r"a\.jpg is in the tar twice \(at bytes 512 and 2560\)"):
        rows(tmp_path)


def test_dots_in_names_are_named_as_the_cause(tmp_path):
    write_tar(tmp_path / "x.tar", [("t 2.0.jpg", b""), ("t 2.1.jpg", b"")])
    with pytest.raises(SourceError, match=r"first dot \(t 2\); rename .* before the extension$"):
        rows(tmp_path)


def test_hard_links_are_the_files_that_they_name(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("a.jpg", b"abc"), ("a.cls", b"4")])
    with tarfile.open(path, "a") as tar:
        for name, target in (("b.jpg", "a.jpg"), ("b.cls", "a.cls"), ("c.jpg", "none.jpg")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            tar.addfile(info)
    source, split, entries = opened(tmp_path)
    assert [(e.key, e.label, source.read(e)) for e in entries] == [
        ("a", 4, b"abc"),
        ("b", 4, b"abc"),
    ]
    assert split.notes == ("1 dangling hard link in the tars of 'train' ignored",)


def test_labels_in_any_case_as_text_and_as_whole_floats_are_taken(tmp_path):
    write_tar(tmp_path / "a" / "x.tar", [("1.JPG", b""), ("1.CLS", b"\xef\xbb\xbf1\r\n")])
    assert rows(tmp_path / "a") == [("1", "1")]
    write_tar(tmp_path / "b" / "x.tar", [("1.jpg", b""), ("1.cls", b"2.0")])
    assert rows(tmp_path / "b") == [("1", "2")]
    text = [("1.jpg", b""), ("1.cls", "zêbra".encode()), ("2.jpg", b""), ("2.cls", b"ant\n")]
    write_tar(tmp_path / "c" / "x.tar", text)
    assert opened(tmp_path / "c")[1].classes == ("ant", "zêbra")
    assert rows(tmp_path / "c") == [("1", "zêbra"), ("2", "ant")]
    write_tar(tmp_path / "d" / "x.tar", [("1.jpg", b""), ("1.cls", b"\x80\x04K\x03.")])
    with pytest.raises(SourceError, match=r"label beside x\.tar!1\.jpg is .*x80.*a class name"):
        rows(tmp_path / "d")


def test_labels_in_json_are_read_where_they_are_asked_for(tmp_path):
    members = [
        ("1.jpg", b""),
        ("1.json", b'{"label": 2}'),
        ("2.jpg", b""),
        ("2.json", b'{"label": 0}'),
    ]
    write_tar(tmp_path / "x.tar", members)
    with pytest.raises(SourceError, match=r"add --label-field json\.label, or --label-field none"):
        rows(tmp_path)
    assert rows(tmp_path, label_field="none") == [("1", None), ("2", None)]
    assert rows(tmp_path, label_field="json.label") == [("1", "2"), ("2", "0")]
    with pytest.raises(SourceError, match="--label-field id: no sample"):
        rows(tmp_path, label_field="id")


def test_the_image_of_several_is_chosen(tmp_path):
    write_tar(tmp_path / "x.tar", [("1.in.jpg", b"a"), ("1.out.jpg", b"b"), ("2.img", b"c")])
    with pytest.raises(SourceError, match=r"choose by --image-field in\.jpg or out\.jpg"):
        rows(tmp_path)
    source, split, (entry,) = opened(tmp_path, image_field="out.jpg")
    assert source.read(entry) == b"b"
    assert split.notes == ("1 sample of 'train' without an image ignored (their files: .img)",)


INNER = ["imagenet/train/a/1.jpg", "imagenet/train/b/2.jpg", "imagenet/val/a/3.jpg"]


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_splits_inside_archives_are_refused_until_one_is_chosen(form, tmp_path):
    write_tar(tmp_path / "x.tar", [(name, b"") for name in INNER])
    put(tmp_path / "x.parquet", {"image": [{"bytes": b"x", "path": name} for name in INNER]})
    with pytest.raises(SourceError, match="split folders imagenet/train/, imagenet/val/; take one"):
        rows(tmp_path, form)
    assert {name for _, name in rows(tmp_path, form, layout="classes")} == {"imagenet"}
    _, split, entries = opened(tmp_path, form, selected=("train",))
    assert [(e.key, e.class_name) for e in entries] == [("a/1", "a"), ("b/2", "b")]
    assert "1 image outside of imagenet/train/ ignored" in split.notes
    found: list[SourceError] = []
    source = open_source(SourceSpec(str(tmp_path), format=form), found.append)
    # There are no notes on refused folders, such as that all images are of one class.
    assert not [note for split in source.splits() for note in split.notes if "class" in note]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["top/a/1.jpg", "top/b/2.jpg"], [("a/1", "a"), ("b/2", "b")]),
        (["data/Train/a/1.jpg", "data/Train/b/2.jpg"], [("a/1", "a"), ("b/2", "b")]),
        (["train/1.jpg"], [("1", None)]),
        (["a/1.jpg", "train/2.jpg"], [("a/1", "a"), ("train/2", "train")]),
        (["a/1.jpg"], [("a/1", "a")]),
        (["a/x/1.jpg", "b/y/2.jpg"], [("a/x/1", "a"), ("b/y/2", "b")]),
    ],
)
def test_folders_above_classes_are_left_out_of_keys(names, found, tmp_path):
    write_tar(tmp_path / "x.tar", [(name, b"") for name in names])
    assert rows(tmp_path) == found
    above = any("which is left out of keys" in note for note in opened(tmp_path)[1].notes)
    assert above == (f"{found[0][0]}.jpg" != names[0])


def test_layout_decides_what_the_folders_are(tmp_path):
    write_tar(tmp_path / "x.tar", [("a/1.jpg", b""), ("train/2.jpg", b"")])
    assert rows(tmp_path, layout="flat") == [("a/1", None), ("train/2", None)]
    assert rows(tmp_path, layout="splits", selected=("train",)) == [("2", None)]
    with pytest.raises(SourceError, match="the split folders train/; take one by --split train"):
        rows(tmp_path, layout="splits")


def test_folders_that_may_be_one_class_or_many_are_refused(tmp_path):
    write_tar(tmp_path / "x.tar", [("a/1.jpg", b""), ("a/b/2.jpg", b"")])
    with pytest.raises(SourceError, match="--layout classes for the one class 'a'"):
        rows(tmp_path)
    write_tar(tmp_path / "x.tar", [("val/a/1.jpg", b"")])
    with pytest.raises(SourceError, match="--split val"):
        rows(tmp_path)


def test_labelled_samples_of_several_splits_are_refused(tmp_path):
    write_tar(tmp_path / "x.tar", [("train/1.jpg", b""), ("train/1.cls", b"0"), ("val/2.jpg", b""),
                                   ("val/2.cls", b"1")])  # fmt: skip
    with pytest.raises(SourceError, match=r"several splits \(train/, val/\)"):
        rows(tmp_path)
    assert rows(tmp_path, layout="classes") == [("train/1", "train"), ("val/2", "val")]


@pytest.mark.parametrize(
    ("labels", "classes", "of_rows"),
    [
        (pa.array(["b", "ä", "a"]), ("a", "b", "ä"), ["b", "ä", "a"]),
        (pa.array(["b", "a", "a"], pa.large_string()), ("a", "b"), ["b", "a", "a"]),
        (pa.array(["b", "a", "a"]).dictionary_encode(), ("a", "b"), ["b", "a", "a"]),
        (pa.array([1.0, 0.0, 2.0]), ("0", "1", "2"), ["1", "0", "2"]),
        (pa.array([True, False, True]), ("0", "1"), ["1", "0", "1"]),
        (pa.array([1, 0, 2], pa.uint8()), ("0", "1", "2"), ["1", "0", "2"]),
        (pa.array([None, float("nan"), None], pa.float32()), (), [None] * 3),
        (pa.nulls(3), (), [None] * 3),
        (pa.array(["-1"] * 3), (), [None] * 3),
    ],
)
def test_labels_of_every_type_are_taken(labels, classes, of_rows, tmp_path):
    put(tmp_path / "x.parquet", {"image": IMAGES, "label": labels})
    source, split, entries = opened(tmp_path, "parquet")
    assert split.classes == classes
    by_row = sorted(entries, key=lambda e: e.source)
    assert [e.class_name for e in by_row] == of_rows
    assert [source.read(e) for e in by_row] == [b"0", b"1", b"2"]


def test_text_that_is_numbers_has_the_order_of_text_and_that_is_noted(tmp_path):
    put(tmp_path / "x.parquet", {"image": IMAGES, "label": ["9", "10", "9"]})
    _, split, _ = opened(tmp_path, "parquet")
    assert split.classes == ("10", "9")
    assert "'10' comes before '9'" in split.notes[0]


def test_cifar_100_of_the_hub_has_its_fine_labels(tmp_path):
    kind = {"_type": "ClassLabel"}
    features = {
        "fine_label": {"names": ["a", "b"], **kind},
        "coarse_label": {"names": ["p"], **kind},
    }
    columns = {"img": IMAGES, "fine_label": [1, 0, 1], "coarse_label": [0, 0, 0]}
    put(tmp_path / "x.parquet", columns, features)
    _, split, _ = opened(tmp_path, "parquet")
    assert split.classes == ("a", "b")
    assert split.notes == (
        "the labels of 'train' are those of fine_label; --label-field takes coarse_label",
    )
    assert opened(tmp_path, "parquet", label_field="coarse_label")[1].classes == ("p",)
    with pytest.raises(SourceError, match="--label-field x: no such column; the columns are img,"):
        rows(tmp_path, "parquet", label_field="x")


def test_images_as_plain_bytes_are_read_by_name_or_by_choice(tmp_path):
    put(tmp_path / "x.parquet", {"picture": pa.array([b"a"], pa.large_binary()), "label": [0]})
    with pytest.raises(SourceError, match="--image-field"):
        rows(tmp_path, "parquet")
    source, _, (entry,) = opened(tmp_path, "parquet", image_field="picture")
    assert source.read(entry) == b"a"


def test_a_url_is_no_class(tmp_path):
    urls = ["https://h.org/p/a.jpg?x=1", "zip://t/b.jpg::https://h.org/c.zip", "s3://h/q/c.jpg"]
    put(tmp_path / "x.parquet", {"image": [{"bytes": b"x", "path": url} for url in urls]})
    _, split, entries = opened(tmp_path, "parquet")
    assert [(e.key, e.class_name) for e in entries] == [("a", None), ("b", None), ("c", None)]
    assert "3 paths of 'train' are URLs: only the name at the end is part of a key" in split.notes


def test_keys_by_file_let_names_repeat_in_every_command(tmp_path, capsys):
    path = tmp_path / "1.png"
    synthetic_image(1, (50, 40)).save(path)
    for number in range(2):
        image = [{"bytes": path.read_bytes(), "path": "same.png"}]
        put(tmp_path / "p" / f"t-{number}.parquet", {"image": image, "label": [number]})
        sample = [("0.png", path.read_bytes()), ("0.cls", b"%d" % number)]
        write_tar(tmp_path / "w" / f"t-{number}.tar", sample)
    src, out = str(tmp_path / "w"), str(tmp_path / "out")
    with pytest.raises(SourceError, match="--keys file"):
        rows(tmp_path / "w")
    assert rows(tmp_path / "p", "parquet", keys="file") == [
        ("t-0/000000000", "0"), ("t-1/000000000", "1"),
    ]  # fmt: skip
    fixed = ["--engine", "stub", "--size", "16", "--no-ray", "--quiet"]
    build = ["build", "--src", src, "--out", out, *fixed]
    assert run([*build, "--keys", "file"]) == 0
    assert run(build) == 2
    assert run(["inspect", out, "t-1/0", "--src", src]) == 0
    assert "keys='file'" in capsys.readouterr().out
    assert run(["verify", out, "--deep", "--src", src, "--sample", "0"]) == 0


def test_what_goes_with_archives_is_refused_for_folders(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ConfigError, match="--keys goes with WebDataset and Parquet"):
        open_source(SourceSpec(str(tmp_path), format="folder", keys="file"))


@pytest.mark.parametrize("place", ["", "train"])
def test_arrow_files_of_save_to_disk_are_named(tmp_path, capsys, place):
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "data-00000-of-00001.arrow").write_bytes(b"")
    (tmp_path / "dataset_dict.json").write_bytes(b"{}")
    assert run(["plan", "--src", str(tmp_path), "--engine", "stub"]) == 2
    assert "as Dataset.save_to_disk writes them; write Parquet" in capsys.readouterr().err
