"""File and class names as users have them, from the build to every reader of its shards."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import webdataset

from tests.conftest import synthetic_image
from tests.source.parquet.test_source import image, write
from tests.support.archives import write_tar
from texgen.cli.main import run
from texgen.dataset.random_access import TextureStore

BUILD = ["--size", "16", "--engine", "stub", "--no-ray", "--quiet"]
BYTES = [bytes([byte]) for byte in range(1, 256) if byte != ord("/")]
NAMES = [
    *(b"a" + byte + b"z" for byte in BYTES),
    *(b" ", b"~", b"-", b"+", b"\\", b"*", b"\n", b"\x1b", b"\xff"),
    *(name.encode() for name in (
        "A\u0308pfel", "\u00c4pfel", "\u202etxt", "👩‍👩‍👧", "مرحبا", "a ", "a..", "con", "nul",
        "train.tar", "-rf", "--out", "~2f", "x+001", "{0..1}", "%s", "写真" * 14, "п" * 40,
        "é" * 120, "猫" * 83, "x" * 251, "x" * 246, "d." * 120, "~" * 200,
    )),
]  # fmt: skip
CLASSES = [b"c", "猫".encode() * 83, b"-c", b"\xff\xfe", b"x" * 255, b" ", b"a\nb"]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("photo") / "1.jpg"
    synthetic_image(1, (40, 40)).save(path)
    return path.read_bytes()


def built(source: Path, out: Path, *more: str) -> int:
    return run(["build", "--src", str(source), "--out", str(out), *BUILD, *more])


def exported(out: Path, to: Path) -> set[str]:
    assert run(["export", str(out), "--to", str(to), "--quiet"]) == 0
    return pictures(to / "train")


def pictures(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_any_name_is_built_verified_exported_unpacked_and_streamed(photo, tmp_path):
    root = os.fsencode(tmp_path / "src" / "train")
    for place, name in enumerate(NAMES):
        folder = root + b"/" + CLASSES[place % len(CLASSES)]
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - bytes
        with open(folder + b"/" + name + b".jpg", "wb") as file:  # noqa: PTH123
            file.write(photo)
    out, unpacked = tmp_path / "out", tmp_path / "unpacked"
    assert built(tmp_path / "src", out, "--textures-per-image", "2") == 0
    deep = ["--deep", "--src", str(tmp_path / "src"), "--sample", "2"]
    assert run(["verify", str(out), "--quiet", *deep]) == 0
    keys = set(TextureStore(out, "train").keys())
    assert len(keys) == 2 * len(NAMES)
    assert exported(out, tmp_path / "to") == {f"{key}.png" for key in keys}
    assert len(list((tmp_path / "to" / "train").iterdir())) == len(CLASSES)
    unpacked.mkdir()
    shards = sorted(map(str, out.glob("train/*.tar")))
    for shard in shards:
        subprocess.run(["tar", "xf", shard, "-C", unpacked], check=True, timeout=60)
    assert pictures(unpacked) == {f"{key}.png" for key in keys}
    streamed = webdataset.WebDataset(shards, shardshuffle=False)
    assert {sample["__key__"] for sample in streamed} == keys


SUN = ["/a/abbey", "/a/airport", "a/abbey", "a", "/b/"]
SUN_FOLDERS = {"~2fa~2fabbey", "~2fa~2fairport", "a~2fabbey", "a", "~2fb~2f"}


def in_parquet(root: Path, photo: bytes) -> list[str]:
    rows = [image(f"{place}.jpg", photo) for place in range(5)]
    write(root / "train.parquet", rows, list(range(5)), names=SUN)
    return []


def in_a_folder(root: Path, photo: bytes) -> list[str]:
    (root / "train").mkdir(parents=True)
    for place in range(5):
        (root / "train" / f"{place}.jpg").write_bytes(photo)
    return labels(root)


def in_a_tar(root: Path, photo: bytes) -> list[str]:
    root.mkdir()
    write_tar(root / "train-0.tar", [(f"{place}.jpg", photo) for place in range(5)])
    return labels(root)


def labels(root: Path) -> list[str]:
    table = root.with_name("labels.csv")
    lines = [f"{place}.jpg,{name}" for place, name in enumerate(SUN)]
    table.write_text("file,class\n" + "\n".join(lines))
    return ["--labels", str(table)]


@pytest.mark.parametrize("put", [in_parquet, in_a_folder, in_a_tar])
def test_class_names_with_slashes_are_the_same_everywhere(put, photo, tmp_path):
    source, out, sheet = tmp_path / "src", tmp_path / "out", tmp_path / "sheet.png"
    given = put(source, photo)
    assert built(source, out, *given) == 0
    deep = ["--deep", "--src", str(source), *given, "--sample", "1"]
    assert run(["verify", str(out), "--quiet", *deep]) == 0
    keys = ["a/3", "a/abbey/2", "~2fa/abbey/0", "~2fa/airport/1", "~2fb~2f/4"]
    assert list(TextureStore(out, "train").keys()) == keys
    exported(out, tmp_path / "to")
    assert {path.name for path in (tmp_path / "to" / "train").iterdir()} == SUN_FOLDERS
    for key in keys:
        # It works without --labels too, though SRC itself holds no labels.
        assert run(["inspect", str(out), key, "--src", str(source), "--sheet", str(sheet)]) == 0
    with tarfile.open(next(out.glob("train/*.tar"))) as tar:
        assert all(all(name.split("/")) for name in tar.getnames())


def test_a_class_without_a_name_ends_the_build_unless_it_is_left_out(photo, tmp_path, capsys):
    rows = [image(f"{place}.jpg", photo) for place in range(4)]
    write(tmp_path / "src" / "train.parquet", rows, [0, 1, 0, 1], names=["", "x"])
    assert built(tmp_path / "src", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "the class with label 0 has an empty name" in said
    assert said.count("\n") == 1
    (tmp_path / "x.txt").write_text("x\n")
    assert built(tmp_path / "src", tmp_path / "out", "--classes", str(tmp_path / "x.txt")) == 0
    assert list(TextureStore(tmp_path / "out", "train").keys()) == ["x/1", "x/3"]


def test_labels_without_folders_are_exported_as_class_folders(photo, tmp_path):
    members = [
        (f"{place}.{end}", data)
        for place in range(4)
        for end, data in (("cls", b"%d" % (place % 2)), ("jpg", photo))
    ]
    (tmp_path / "src").mkdir()
    write_tar(tmp_path / "src" / "train-0.tar", members)
    assert built(tmp_path / "src", tmp_path / "out") == 0
    there = exported(tmp_path / "out", tmp_path / "to")
    assert there == {"0/0.png", "1/1.png", "0/2.png", "1/3.png"}


def test_folders_that_are_not_the_classes_are_exported_below_them(photo, tmp_path):
    rows = [image(path, photo) for path in ("a/1.jpg", "a/2.jpg", "x/1.jpg")]
    write(tmp_path / "src" / "train.parquet", rows, [0, 1, 0], names=["x", "y"])
    assert built(tmp_path / "src", tmp_path / "out") == 0
    there = exported(tmp_path / "out", tmp_path / "to")
    assert there == {"x/a/1.png", "y/a/2.png", "x/x/1.png"}
