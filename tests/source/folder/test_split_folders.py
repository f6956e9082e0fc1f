"""The rules of docs/sources.md for folders: what is taken, noted and refused in users' trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.archives import write_folder, write_parquet, write_tar
from texgen.core.errors import SourceError
from texgen.source import SourceSpec, find_format, open_source

KAGGLE = {
    "k/ILSVRC/Data/CLS-LOC/train/n01/a.JPEG": b"a",
    "k/ILSVRC/Data/CLS-LOC/train/n02/b.JPEG": b"b",
    "k/ILSVRC/Data/CLS-LOC/val/v.JPEG": b"v",
    "k/ILSVRC/Data/CLS-LOC/test/t.JPEG": b"t",
    "k/ILSVRC/Annotations/CLS-LOC/train/n01/a.xml": b"",
    "k/ILSVRC/Annotations/CLS-LOC/val/v.xml": b"",
    "k/ILSVRC/ImageSets/CLS-LOC/train_cls.txt": b"",
    "k/LOC_val_solution.csv": b"ImageId,PredictionString\nv,n01 1 2 3 4\n",
}


def opened(place: object, layout: str = "auto", labels: str | None = None):
    location = str(place)
    spec = SourceSpec(location, format=find_format(location), layout=layout, labels=labels)
    source = open_source(spec)
    return source, source.splits()


def taken(place: object, layout: str = "auto") -> dict[str, list[tuple[str, str | None]]]:
    """Split to the keys and classes of its images."""
    source, splits = opened(place, layout)
    return {s.name: [(e.key, e.class_name) for e in source.entries(s)] for s in splits}


def all_notes(place: object, layout: str = "auto") -> str:
    source, splits = opened(place, layout)
    notes = list[str]()
    for split in splits:
        list(source.entries(split))
        notes += [*split.notes, *source.notes(split)]
    return "\n".join(notes)


def images(*names: str) -> dict[str, bytes]:
    return {name: os.fsencode(name) for name in names}


@pytest.mark.parametrize("level", ["k", "k/ILSVRC", "k/ILSVRC/Data", "k/ILSVRC/Data/CLS-LOC"])
def test_kaggles_ilsvrc_is_taken_from_any_of_its_levels(level, tmp_path):
    write_folder(tmp_path, KAGGLE)
    assert taken(tmp_path / level) == {
        "test": [("t", None)],
        "train": [("n01/a", "n01"), ("n02/b", "n02")],
        "val": [("v", None)],
    }
    source, (_, train, _) = opened(tmp_path / level)
    assert [source.read(e) for e in source.entries(train)] == [b"a", b"b"]
    below = "k/ILSVRC/Data/CLS-LOC".removeprefix(level).strip("/")
    assert (
        f"the splits are those in '{below}', a folder below SRC" in all_notes(tmp_path / level)
    ) == (bool(below))


def test_a_note_on_the_labels_of_kaggles_val_does_not_contain_the_path_of_src(tmp_path):
    write_folder(tmp_path, KAGGLE)
    assert "--labels SRC/LOC_val_solution.csv" in all_notes(tmp_path / "k")
    assert str(tmp_path) not in all_notes(tmp_path / "k")


BESIDE = {
    "DomainNet's class train": images("bus/1.jpg", "train/2.jpg", "truck/3.jpg"),
    "a third split by another name": images("train/a/1.jpg", "valid/a/2.jpg"),
    "samples further down": images("train/a/1.jpg", "docs/img/2.jpg"),
}


@pytest.mark.parametrize("tree", BESIDE.values(), ids=BESIDE)
def test_images_beside_what_may_be_splits_are_refused_and_an_option_decides(tree, tmp_path):
    write_folder(tmp_path, tree)
    with pytest.raises(SourceError, match=r"--layout splits .*, --layout classes"):
        taken(tmp_path)
    assert list(taken(tmp_path, "splits")) == ["train"]
    folders = sorted({name.partition("/")[0] for name in tree})
    _, (split,) = opened(tmp_path, "classes")
    assert split.classes == tuple(folders)
    assert sum(map(len, taken(tmp_path, "classes").values())) == len(tree)


def test_the_error_of_a_folder_that_resembles_a_split_has_the_right_name(tmp_path):
    """Roboflow exports train, valid and test."""
    write_folder(tmp_path, images("train/a/1.jpg", "valid/a/2.jpg", "test/a/3.jpg"))
    with pytest.raises(SourceError, match="renaming 'valid' to 'val' makes it a split"):
        taken(tmp_path)
    (tmp_path / "valid").rename(tmp_path / "val")
    assert list(taken(tmp_path)) == ["test", "train", "val"]


def test_one_image_is_not_a_source(tmp_path):
    write_folder(tmp_path, images("1.jpg"))
    with pytest.raises(SourceError, match="one image; name the folder that holds it"):
        taken(tmp_path / "1.jpg")


def test_folders_beside_the_splits_without_images_are_ignored_and_noted(tmp_path):
    write_folder(tmp_path, images("train/a/1.jpg", "meta/a/1.xml", "x.jpg"))
    assert list(taken(tmp_path)) == ["train"]
    assert all_notes(tmp_path).splitlines() == [
        "folder 'meta' is not a split and is ignored",
        "1 image beside the splits ignored",
    ]


@pytest.mark.parametrize("names", [("Train", "VAL"), ("TRAIN", "Validation")])
def test_splits_are_recognized_in_any_case_and_have_names_in_lower_case(names, tmp_path):
    write_folder(tmp_path, images(*(f"{name}/a/1.jpg" for name in names)))
    assert list(taken(tmp_path)) == sorted(name.lower() for name in names)
    assert f"folder '{names[0]}' is taken as the split 'train'" in all_notes(tmp_path)


def test_two_folders_of_one_split_are_refused(tmp_path):
    write_folder(tmp_path, images("train/a/1.jpg", "Train/a/2.jpg"))
    with pytest.raises(SourceError, match="'Train', 'train' are both named like the split"):
        taken(tmp_path)


def test_splits_in_several_places_are_refused_by_name(tmp_path):
    write_folder(tmp_path, images(*(f"{t}/{s}/good/1.png" for t in ("nut", "cap")
                                    for s in ("train", "test"))))  # fmt: skip
    with pytest.raises(SourceError, match=r"splits further down, in 'cap', 'nut'; .*/cap\)"):
        taken(tmp_path)
    assert list(taken(tmp_path / "nut")) == ["test", "train"]
    _, (split,) = opened(tmp_path, "classes")
    assert split.classes == ("cap", "nut")


def test_splits_further_down_beside_other_images_are_refused(tmp_path):
    write_folder(tmp_path, images("set/train/a/1.jpg", "preview/1.jpg"))
    with pytest.raises(SourceError, match="splits further down, in 'set', and images in 'preview'"):
        taken(tmp_path)


LIKE_SPLITS = {
    "COCO": images("train2017/1.jpg", "val2017/2.jpg", "annotations/x.json"),
    "training and testing": images("training/a/1.jpg", "testing/a/1.jpg"),
    "unpacked twice": images("train/train/1.jpg"),
    "Intel": images(
        "seg_train/seg_train/sea/1.jpg", "seg_test/seg_test/sea/2.jpg", "seg_pred/3.jpg"
    ),
}


@pytest.mark.parametrize("tree", LIKE_SPLITS.values(), ids=LIKE_SPLITS)
def test_folders_that_only_resemble_splits_are_not_silently_classes(tree, tmp_path):
    write_folder(tmp_path, tree)
    with pytest.raises(SourceError, match=r"resemble splits; .* --layout (classes|splits)"):
        taken(tmp_path)
    kept = "splits" if (tmp_path / "train").is_dir() else "classes"
    assert sum(map(len, taken(tmp_path, kept).values())) == sum(n.endswith("jpg") for n in tree)


def test_one_folder_around_the_classes_is_refused(tmp_path):
    write_folder(tmp_path, images("101_Objects/ant/1.jpg", "101_Objects/bee/1.jpg"))
    with pytest.raises(
        SourceError, match=r"only the folder '101_Objects', .*--src \S+/101_Objects"
    ):
        taken(tmp_path)
    assert taken(tmp_path / "101_Objects")["train"] == [("ant/1", "ant"), ("bee/1", "bee")]
    assert taken(tmp_path, "classes")["train"][0] == ("101_Objects/ant/1", "101_Objects")


def test_folders_around_the_classes_are_refused_however_many(tmp_path):
    write_folder(tmp_path, images("CUB/images/ant/1.jpg", "CUB/images/bee/1.jpg") | {"CUB/a": b""})
    with pytest.raises(SourceError, match=r"only the folder 'CUB/images', .*--src \S+/CUB/images;"):
        taken(tmp_path)
    assert taken(tmp_path / "CUB" / "images")["train"] == [("ant/1", "ant"), ("bee/1", "bee")]


@pytest.mark.parametrize("names", [
    ["images/1.jpg", "masks/1.png"],
    ["images/1.jpg", "annotations/trimaps/1.png"],
    ["JPEGImages/1.jpg", "SegmentationClass/1.png", "SegmentationObject/1.png"],
])  # fmt: skip
@pytest.mark.parametrize("split", ["", "train/"])
def test_masks_beside_images_are_not_silently_classes(split, names, tmp_path):
    write_folder(tmp_path, images(*(split + name for name in names)))
    with pytest.raises(SourceError, match="other folders hold images too") as refused:
        taken(tmp_path)
    place = tmp_path / split / names[0].partition("/")[0]
    assert f"--src {place}" in str(refused.value)
    assert taken(place)["train"] == [("1", None)]
    assert len(taken(tmp_path, "splits" if split else "classes")["train"]) == len(names)


def test_folders_that_hold_the_same_folders_may_be_domains_and_are_refused(tmp_path):
    domains = [f"{domain}/{name}/1.jpg" for domain in ("Art", "Real") for name in ("Bed", "Bike")]
    write_folder(tmp_path, images(*domains))
    with pytest.raises(SourceError, match=r"'Art', 'Real' hold .*\('Bed', 'Bike'\).*--src \S+/Art"):
        taken(tmp_path)
    assert taken(tmp_path / "Art")["train"] == [("Bed/1", "Bed"), ("Bike/1", "Bike")]
    assert taken(tmp_path, "classes")["train"][0] == ("Art/Bed/1", "Art")


@pytest.mark.parametrize("classes", [["ant", "bee", "cat"], ["train_station", "beach"]])
def test_classes_in_parts_stay_classes(classes, tmp_path):
    write_folder(tmp_path, images(*(f"{c}/{part}/1.jpg" for c in classes for part in ("a",))))
    assert {name for _, name in taken(tmp_path)["train"]} == set(classes)


def test_a_hint_with_a_space_in_a_path_is_quoted_for_a_shell(tmp_path):
    write_folder(tmp_path, images("my data/ant/1.jpg", "my data/bee/1.jpg"))
    with pytest.raises(SourceError, match=r"--src '\S+/my data';"):
        taken(tmp_path)


@pytest.mark.parametrize("name", ["images", "JPEGImages", "imgs", "jpg"])
def test_a_folder_called_images_is_not_a_class(name, tmp_path):
    write_folder(tmp_path, images(f"{name}/1.jpg", f"{name}/2.jpg"))
    assert taken(tmp_path)["train"] == [(f"{name}/1", None), (f"{name}/2", None)]
    assert f"folder '{name}' is no class; --layout classes takes it as one" in all_notes(tmp_path)
    assert taken(tmp_path, "classes")["train"][0] == (f"{name}/1", name)


def test_tiny_imagenet_is_read_as_it_comes(tmp_path):
    write_folder(tmp_path, {
        "train/n02/images/n02_0.JPEG": b"a", "train/n02/n02_boxes.txt": b"",
        "train/n01/images/n01_0.JPEG": b"b", "train/n01/n01_boxes.txt": b"",
        "val/images/val_0.JPEG": b"c", "val/images/val_1.JPEG": b"d",
        "val/val_annotations.txt": b"val_0.JPEG\tn02\t0\t32\t44\t62\nval_1.JPEG\tn01\t1\t2\t3\t4\n",
        "test/images/test_0.JPEG": b"e", "wnids.txt": b"n01\nn02\n",
    })  # fmt: skip
    assert taken(tmp_path) == {
        "test": [("images/test_0", None)],
        "train": [("n01/images/n01_0", "n01"), ("n02/images/n02_0", "n02")],
        "val": [("n01/val_1", "n01"), ("n02/val_0", "n02")],
    }
    _, (_, train, val) = opened(tmp_path)
    assert train.classes == val.classes == ("n01", "n02")
    assert "the labels of 'val' are those of val/val_annotations.txt" in all_notes(tmp_path)


def test_folders_of_systems_are_ignored_at_any_depth_and_noted(tmp_path):
    write_folder(tmp_path, images("train/a/1.jpg", "train/__MACOSX/a/2.jpg", "train/b/3.jpg",
                                  "train/a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
                                  "__MACOSX/train/a/1.jpg"))  # fmt: skip
    assert taken(tmp_path) == {"train": [("a/1", "a"), ("b/3", "b")]}
    assert "1 folder of systems ('__MACOSX') ignored" in all_notes(tmp_path)
    assert "2 folders of systems in 'train' ignored" in all_notes(tmp_path)


def test_a_class_without_images_keeps_its_label_and_is_noted(tmp_path):
    write_folder(tmp_path, images("a/1.jpg", "b/x.txt", "c/1.jpg"))
    source, (split,) = opened(tmp_path)
    assert [entry.label for entry in source.entries(split)] == [0, 2]
    assert "1 class of 'train' without an image keeps its label: 'b'" in source.notes(split)


@pytest.mark.parametrize("link", ["val", "train/n01"])
def test_a_link_to_a_split_or_class_that_is_not_there_is_refused(link, tmp_path):
    write_folder(tmp_path, images("train/n02/a.jpg"))
    (tmp_path / link).symlink_to("/mnt/no-such-disk/data")
    with pytest.raises(SourceError, match=f"'{link}' is a dangling link"):
        taken(tmp_path)
    (tmp_path / link).unlink()
    # A file that git-annex has not fetched is a dangling link too.
    (tmp_path / "train" / "README.md").symlink_to("../.git/annex/objects/x")
    assert taken(tmp_path)["train"] == [("n02/a", "n02")]


def test_flat_takes_every_image_without_classes(tmp_path):
    write_folder(tmp_path, images("1.jpg", "a/2.jpg", "a/b/3.jpg"))
    assert taken(tmp_path, "flat")["train"] == [("1", None), ("a/2", None), ("a/b/3", None)]
    assert taken(tmp_path)["train"] == [("a/2", "a"), ("a/b/3", "a")]


def test_folders_that_img2dataset_wrote_are_parts_and_no_classes(tmp_path):
    write_folder(tmp_path, images("00000/0.jpg", "00000/0.json", "00001/1.jpg"))
    for part in ("00000", "00001"):
        write_folder(tmp_path, {f"{part}_stats.json": b"{}", f"{part}.parquet": b"PAR1"})
    assert taken(tmp_path)["train"] == [("00000/0", None), ("00001/1", None)]
    assert "img2dataset's parts" in all_notes(tmp_path)
    assert "2 .parquet files beside the folders of images ignored" in all_notes(tmp_path)


def test_layout_splits_needs_a_split(tmp_path):
    write_folder(tmp_path, images("a/1.jpg"))
    with pytest.raises(SourceError, match="--layout splits, but no folder is called train"):
        taken(tmp_path, "splits")


def test_classes_whose_images_lie_in_folders_below_are_noted(tmp_path):
    """ImageNet-C has folders of corruption groups, corruptions, severities and classes."""
    write_folder(tmp_path, images("blur/defocus/1/n01/1.jpg", "noise/shot/1/n01/1.jpg"))
    expected = "images of 2 classes in SRC lie in folders below, such as 'blur/defocus'"
    assert all_notes(tmp_path) == expected
    assert all_notes(tmp_path, "classes") == ""


def test_ordinary_class_folders_are_taken_without_notes(tmp_path):
    write_folder(tmp_path, images(*(f"{c:02d}/{i}.jpg" for c in range(30) for i in range(2))))
    assert len(taken(tmp_path)["train"]) == 60
    assert all_notes(tmp_path) == ""


def cache(root: Path, *revisions: str, main: str | None = None) -> Path:
    """A data set in the Hub's cache whose revisions hold a Parquet file."""
    write_parquet(root / "blobs" / "f00d", {"ant/1.jpg": b"x"})
    for revision in revisions:
        data = root / "snapshots" / revision / "data"
        data.mkdir(parents=True)
        (data / "train-00000-of-00001.parquet").symlink_to("../../../blobs/f00d")
    if main:
        write_folder(root, {"refs/main": main.encode()})
    return root


def test_a_cache_of_the_hub_is_read_at_its_only_revision_or_at_main(tmp_path):
    one = cache(tmp_path / "datasets--a--one", "abc")
    two = cache(tmp_path / "datasets--a--two", "abc", "def", main="def")
    for place, revision in ((one, "abc"), (two, "def"), (one / "snapshots", "abc")):
        source, (split,) = opened(place)
        (entry,) = source.entries(split)
        assert f"{revision}/data/train-00000-of-00001.parquet!0" in entry.source
        assert source.read(entry) == b"x"
    with pytest.raises(SourceError, match=r"with 2 revisions .* --src .*/snapshots/REVISION"):
        opened(cache(tmp_path / "datasets--a--odd", "abc", "def"))


def test_parquet_further_down_is_read_and_several_places_are_refused(tmp_path):
    write_parquet(tmp_path / "one/default/train/0000.parquet", {"ant/1.jpg": b"x"})
    write_parquet(tmp_path / "one/default/partial-test/0000.parquet", {"ant/2.jpg": b"x"})
    assert list(taken(tmp_path / "one")) == ["test", "train"]
    assert list(taken(tmp_path / "one/default")) == ["test", "train"]
    assert "the .parquet files are those in 'default', a folder below SRC" in all_notes(
        tmp_path / "one"
    )
    for name in ("full", "small"):
        write_parquet(tmp_path / "two" / name / "train/0000.parquet", {"ant/1.jpg": b"x"})
    with pytest.raises(SourceError, match=r"several places \('full', 'small'\); name one place"):
        taken(tmp_path / "two")


def test_img2datasets_tars_are_taken_beside_their_parquet(tmp_path):
    for part in ("00000", "00001"):
        write_tar(tmp_path / f"{part}.tar", [(f"{part}1.jpg", b"x"), (f"{part}1.json", b"{}")])
        write_folder(tmp_path, {f"{part}.parquet": b"PAR1", f"{part}_stats.json": b"{}"})
    assert find_format(str(tmp_path)) == "webdataset"
    assert [key for key, _ in taken(tmp_path)["train"]] == ["000001", "000011"]
    assert "4 other files beside the .tar files ignored (2 .json, 2 .parquet)" in all_notes(
        tmp_path
    )


@pytest.mark.parametrize("name", ["b.tar.gz", "b.tgz", "b.tar.part", "b (1).tar.crdownload",
                                  "b.tar.aria2", "B.TAR.ZST"])  # fmt: skip
def test_a_compressed_or_unfinished_tar_beside_tars_is_refused_by_name(name, tmp_path):
    write_tar(tmp_path / "a.tar", [("1.jpg", b"x")])
    write_folder(tmp_path, {name: b"x"})
    with pytest.raises(SourceError, match=r"1 compressed or unfinished file .*--src '\S+\*\.tar'"):
        opened(tmp_path)
    assert taken(tmp_path / "*.tar")["train"] == [("1", None)]


def test_a_gap_in_the_numbers_of_shards_is_noted(tmp_path):
    for number in (0, 1, 3, 6):
        write_tar(tmp_path / f"train-{number:06d}.tar", [(f"{number}.jpg", b"x")])
    assert "'train-000002.tar' and 2 more are not there, though" in all_notes(tmp_path)


def test_folders_that_are_there_are_no_patterns(tmp_path):
    place = tmp_path / "data [v1] {a,b}" / "w*"
    write_tar(place / "t-000000.tar", [("1.jpg", b"x")])
    for pattern in ("t-{000000..000000}.tar", "*.tar", "t-00000?.tar", "t-000000.tar"):
        assert taken(f"{place}/{pattern}")["train"] == [("1", None)], pattern


def test_a_bucket_is_looked_into_as_a_folder_is(s3, tmp_path):
    tree = {**KAGGLE, **images("k2/bus/1.jpg", "k2/train/2.jpg")}
    write_folder(tmp_path, tree)
    for name, data in tree.items():
        s3.put_at_once(name, data)
    place = f"s3://{s3.bucket}"
    assert taken(f"{place}/k") == taken(tmp_path / "k")
    assert all_notes(f"{place}/k") == all_notes(tmp_path / "k")
    with pytest.raises(SourceError, match="'train' may be a split or a class"):
        taken(f"{place}/k2")
