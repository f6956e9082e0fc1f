"""Tests of images in Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.archives import write_parquet, write_tar
from texgen.cli.main import run
from texgen.core.errors import ImageError, SourceChangedError, SourceError
from texgen.core.types import ImageEntry
from texgen.source import SourceSpec, SplitListing, open_source
from texgen.source.locator import Locator
from texgen.source.parquet.file import ParquetImageFile
from texgen.source.parquet.row_groups import RowGroups
from texgen.storage.local import LocalStore

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def only(location: Path, **more: object) -> tuple[SplitListing, list[ImageEntry]]:
    source = open_source(SourceSpec(str(location), format="parquet", **more))
    (split,) = source.splits()
    return split, list(source.entries(split))


def write(path: Path, images: list[Any], labels: list[int | None] | None, **more: Any) -> Path:
    """Writes a file with the given rows."""
    columns = {"image": pa.array(images, more.get("kind", IMAGE))}
    if labels is not None:
        columns["label"] = pa.array(labels, more.get("label_type", pa.int64()))
    table = pa.table(columns)
    if names := more.get("names"):
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        metadata = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": metadata})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=more.get("rows", 2))
    return path


def image(path: str | None = None, data: bytes | None = b"x") -> dict[str, Any]:
    return {"bytes": data, "path": path}


@pytest.mark.parametrize(
    ("paths", "labels", "names", "keys", "classes"),
    [
        ([None, None], None, None, ["t_0", "t_1"], ()),
        (["b.jpg", "a.x.jpg"], None, None, ["a~2ex", "b"], ()),
        (["b.jpg", ""], [-1, None], None, ["b", "t_1"], ()),
        (["b.jpg", None], [1, 0], ["ant", "b e"], ["ant/t_1", "b~20e/b"], ("ant", "b e")),
        (["b.jpg", "a.jpg"], [2, 0], None, ["0/a", "2/b"], ("0", "1", "2")),
        (["x/b.jpg", "y/a.jpg"], [2, 0], None, ["x/b", "y/a"], ("y", "1", "x")),
        (["x/b.jpg", "y/a.jpg"], None, None, ["x/b", "y/a"], ("x", "y")),
        (["x/b.jpg", "a.jpg"], [1, 0], ["p", "q"], ["p/a", "x/b"], ("p", "q")),
        (["/home/me/b.jpg", "../up/a.jpg"], [0, 0], ["p"], ["p/a", "p/b"], ("p",)),
        (["b.jpg", "a.jpg"], [1, 0], ["same", "same"], ["0/a", "1/b"], ("0", "1")),
        (["noend", ".hid"], None, None, ["noend", "t_1"], ()),
    ],
)
def test_keys_and_classes(paths, labels, names, keys, classes, tmp_path):
    path = write(tmp_path / "t.parquet", [image(p) for p in paths], labels, names=names)
    split, entries = only(path)
    assert split.classes == classes
    assert [e.key for e in entries] == keys
    assert all((e.class_name, e.size) == (classes[e.label], -1) for e in entries if classes)


def test_a_row_is_named_by_its_number_and_read(tmp_path):
    images = [image(f"{n}.jpg", b"%d" % n) for n in (4, 1, 3, 2, 0)]
    write(tmp_path / "data" / "train-00000-of-00002.parquet", images[:3], None)
    write(tmp_path / "data" / "train-00001-of-00002.parquet", images[3:], None)
    source = open_source(SourceSpec(str(tmp_path)))
    (split,) = source.splits()
    images = {e.source: (e.key, source.read(e)) for e in source.entries(split)}
    assert images == {
        "data/train-00001-of-00002.parquet!1": ("0", b"0"),
        "data/train-00000-of-00002.parquet!1": ("1", b"1"),
        "data/train-00001-of-00002.parquet!0": ("2", b"2"),
        "data/train-00000-of-00002.parquet!2": ("3", b"3"),
        "data/train-00000-of-00002.parquet!0": ("4", b"4"),
    }


def test_splits_are_told_by_names_of_files(tmp_path):
    for name in ("train-00000-of-00001", "validation-00000-of-00001", "test"):
        write(tmp_path / f"{name}.parquet", [image()], None)
    source = open_source(SourceSpec(str(tmp_path)))
    assert [split.name for split in source.splits()] == ["test", "train", "validation"]


@pytest.mark.parametrize("kind", [
    pa.struct([("bytes", pa.binary())]),
    pa.struct([("path", pa.large_string()), ("more", pa.int8()), ("bytes", pa.large_binary())]),
])  # fmt: skip
def test_other_layouts_of_the_same_struct_are_read(kind, tmp_path):
    write(tmp_path / "t.parquet", [{"bytes": b"a"}, {"bytes": b"b"}], None, kind=kind)
    source = open_source(SourceSpec(str(tmp_path)))
    entries = list(source.entries(source.splits()[0]))
    assert [(e.key, source.read(e)) for e in entries] == [("t_0", b"a"), ("t_1", b"b")]


@pytest.mark.parametrize("row", [image("a.jpg", None), None])
def test_a_row_without_an_image_is_a_failed_row_and_noted(row, tmp_path):
    write(tmp_path / "t.parquet", [row, image("b.jpg")], None)
    source = open_source(SourceSpec(str(tmp_path)))
    (split,) = source.splits()
    assert split.notes == ("1 row of 'train' without an image: failed rows",)
    first = min(source.entries(split), key=lambda e: e.source)
    with pytest.raises(ImageError) as caught:
        source.read(first)
    assert caught.value.reason == "image_absent: the row holds no image"


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [([0, 2], ["a", "b"], "t.parquet!1 has the label 2, which is not an index of 2 classes"),
     ([0, None], None, "t.parquet!1 has no label"),
     ([0, 1 << 40], None, "t.parquet!1 .* not an index")],
)  # fmt: skip
def test_a_malformed_label_is_a_problem_that_names_the_row(labels, names, message, tmp_path):
    write(tmp_path / "t.parquet", [image(), image()], labels, names=names)
    with pytest.raises(SourceError, match=message):
        only(tmp_path)


def test_files_that_name_classes_differently_are_a_problem(tmp_path):
    write(tmp_path / "a.parquet", [image()], [0], names=["a"])
    write(tmp_path / "b.parquet", [image()], [0], names=["b"])
    with pytest.raises(SourceError, match="name their classes differently"):
        only(tmp_path)


def test_one_name_in_two_rows_is_a_problem_that_names_both(tmp_path):
    write(tmp_path / "t.parquet", [image("a.jpg"), image("a.png")], None)
    with pytest.raises(SourceError, match=r"t\.parquet!0 and t\.parquet!1 have the same key"):
        only(tmp_path)


def test_labels_of_a_flat_split_are_taken_by_name(tmp_path):
    write(tmp_path / "t" / "t.parquet", [image("a.jpg"), image("b.jpg")], None)
    (tmp_path / "labels.csv").write_text("file,class\na.jpg,bee\nb.jpg,ant\n")
    _, entries = only(tmp_path / "t", labels=str(tmp_path / "labels.csv"))
    assert [(e.key, e.label) for e in entries] == [("ant/b", 0), ("bee/a", 1)]
    with pytest.raises(SourceError, match="add --labels"):
        only(tmp_path / "t", classes=("ant",))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d[:-1], "is cut off at byte "), (lambda d: d[:10], "is cut off at byte 10"),
        (lambda d: b"", "is damaged at byte 0"), (lambda d: b"x" + d[1:], "is damaged at byte 0"),
        (lambda d: d[:-8] + b"\xff\xff\xff\x7f" + d[-4:], "is damaged at byte .* footer of"),
        (lambda d: d[: -8 - (n := int.from_bytes(d[-8:-4], "little"))] + bytes(n) + d[-8:],
         "is damaged at byte "),
    ],
)  # fmt: skip
def test_a_damaged_file_is_a_problem_with_its_byte_and_others_are_listed(damage, message, tmp_path):
    path = write(tmp_path / "t-a.parquet", [image("a.jpg")], None)
    write(tmp_path / "t-b.parquet", [image("b.jpg")], None)
    path.write_bytes(damage(path.read_bytes()))
    errors: list[SourceError] = []
    source = open_source(SourceSpec(str(tmp_path), format="parquet"), errors.append)
    (split,) = source.splits()
    assert [e.key for e in source.entries(split)] == ["b"]
    (error,) = map(str, errors)
    assert message.partition(".*")[0] in error
    assert "t-a.parquet" in error
    assert error.count("\n") == 0
    assert "fetch" in error


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"picture": [b"x"]}, "has the columns picture: binary; expected one of images"),
        ({"image": [b"x"], "label": [[1, 2]]}, "label is of lists.*--label-field none"),
        ({"image": [b"x"], "class": [1], "category": [2]}, "class or category; add --label-field"),
        ({"image": ["a.jpg"]}, "holds paths or URLs of images, not the images"),
        ({"image": [[b"x"]]}, "holds lists; a row must hold one image"),
        ({"image": [{"bytes": b"x"}], "label": [0.5]}, "its labels are not whole numbers"),
    ],
)
def test_columns_that_do_not_fit_are_named(table, message, tmp_path):
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match=message):
        only(tmp_path)


def test_a_row_group_of_gigabytes_is_refused_with_a_hint(tmp_path, monkeypatch):
    monkeypatch.setattr("texgen.source.parquet.file._MAX_GROUP", 100)
    write(tmp_path / "t.parquet", [image(data=b"x" * 200)], None)
    with pytest.raises(SourceError, match=r"row group 0 holds .* row_group_size=100"):
        only(tmp_path)


def test_a_page_that_is_damaged_gives_failed_rows(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table({"image": pa.array([image("a.jpg", bytes(range(256)) * 9)], IMAGE)})
    pq.write_table(table, path, compression="gzip", use_dictionary=False)
    at = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    source = open_source(SourceSpec(str(tmp_path)))
    (entry,) = source.entries(source.splits()[0])
    data = bytearray(path.read_bytes())
    data[at : at + 20] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        RowGroups().read(LocalStore(str(tmp_path)), Locator.decode(entry.locator), entry.source)
    assert caught.value.code == "image_corrupt"


def test_a_row_group_is_read_once_and_few_are_kept(tmp_path, monkeypatch):
    images = [image(f"{n}.jpg", b"%d" % n * 1000) for n in range(6)]
    write(tmp_path / "t.parquet", images, None)
    _, entries = only(tmp_path)
    places = [Locator.decode(entry.locator) for entry in entries]
    read: list[int] = []
    images_of = ParquetImageFile.images
    monkeypatch.setattr(
        ParquetImageFile,
        "images",
        lambda self, group: (read.append(group), images_of(self, group))[1],
    )
    groups = RowGroups(max_bytes=5000)
    for row in (0, 1, 2, 3, 0, 4, 5, 2, 3, 4):
        groups.read(LocalStore(str(tmp_path)), places[row], "")
    assert read == [0, 1, 2, 1]
    small = RowGroups(max_bytes=1)
    assert [small.read(LocalStore(str(tmp_path)), place, "")[:1] for place in places] == [
        b"%d" % n for n in range(6)
    ]


def test_a_file_that_changed_while_it_is_known_is_noticed(tmp_path):
    path = write(tmp_path / "t.parquet", [image("a.jpg"), image("b.jpg")], None)
    source = open_source(SourceSpec(str(tmp_path)))
    first, second = source.entries(source.splits()[0])
    assert source.read(first) == b"x"
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(SourceChangedError, match=r"t\.parquet had"):
        source.read(second)
    back = path.with_name("back")
    back.write_bytes(path.read_bytes()[:-1])
    back.replace(path)
    assert source.read(second) == b"x"


def test_the_plan_says_that_sizes_are_not_known(tmp_path, capsys):
    write_parquet(tmp_path / "train.parquet", {"ant/1.jpg": b"x"})
    allowed = ["--engine", "stub", "--max-failures", "1"]
    assert run(["plan", "--src", str(tmp_path), *allowed]) == 0
    assert "train: 1 image in 1 class (sizes not known), 1 shard" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        (["train-00000-of-00002"], "train-00001-of-00002 is not there"),
        (["train-00003-of-00009-a1b2", "train-00000-of-00009-c3"],
         "train-00001-of-00009 and 6 more are not there"),
        (["x-2-of-2"], "x-1-of-2 is not there"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".parquet", ".tar"])
def test_a_part_that_the_names_of_others_imply_is_missing(present, missing, suffix, tmp_path):
    for number, name in enumerate(present):
        path = tmp_path / "data" / f"{name}{suffix}"
        if suffix == ".tar":
            write_tar(path, [(f"{number}.jpg", b"x")])
        else:
            write(path, [image(f"{number}.jpg")], None)
    with pytest.raises(SourceError, match=f"^data/{missing}; fetch what is missing, or name"):
        open_source(SourceSpec(str(tmp_path))).splits()
    # A pattern or a file names the wanted parts, so that none is missing.
    for taken in (f"{tmp_path}/data/*{suffix}", f"{tmp_path}/data/{present[0]}{suffix}"):
        (split,) = open_source(SourceSpec(taken)).splits()
        assert split.name in {"train", "data"}


def test_files_without_a_missing_part_are_taken(tmp_path):
    for number, name in enumerate(["train-1-of-2", "train-2-of-2", "train-00000-of-00001", "test"]):
        write(tmp_path / f"{name}.parquet", [image(f"{number}.jpg")], None)
    assert len(open_source(SourceSpec(str(tmp_path))).splits()) == 2
