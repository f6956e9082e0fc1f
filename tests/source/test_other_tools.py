"""Tars that GNU tar packs, and Parquet files that Hugging Face's library writes."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import synthetic_image
from tests.support.archives import write_tar
from texgen.cli.main import run
from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source import SourceSpec, open_source
from texgen.source.locator import Archive
from texgen.source.paths import member_path
from texgen.source.tar.index import tar_indexes
from texgen.source.tar.sample_names import group_samples, sample_key
from texgen.storage.local import LocalStore
from texgen.storage.ranges import RangeFile

needs_tar = pytest.mark.skipif(not shutil.which("tar"), reason="GNU tar is not here")


def entries_of(location: Path, form: str, **more: str) -> list[tuple[str, str | None, bytes]]:
    """Key, class and bytes of every image of the only split."""
    source = open_source(SourceSpec(str(location), format=form, **more))
    (split,) = source.splits()

    def row(entry: ImageEntry) -> tuple[str, str | None, bytes]:
        return entry.key, entry.class_name, source.read(entry)

    return [row(entry) for entry in source.entries(split)]


def pack(folder: Path, tar: str, *arguments: str) -> None:
    subprocess.run(["tar", *arguments, "-f", f"../{tar}"], check=True, cwd=folder)


@needs_tar
def test_a_folder_packed_in_any_order_gives_its_samples(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    for number in range(3):
        (files / f"{number}.jpg").write_bytes(b"%d" % number)
    (files / "0.cls").write_text("cat\n")
    (files / "1.cls").hardlink_to(files / "0.cls")
    (files / "2.cls").write_text("ant\n")
    pack(files, "x.tar", "-c", "./2.jpg", "./0.cls", "./1.jpg", "1.cls", "2.cls", "0.jpg")
    expected = [("0", "cat", b"0"), ("1", "cat", b"1"), ("2", "ant", b"2")]
    assert entries_of(tmp_path / "x.tar", "webdataset") == expected


@needs_tar
@pytest.mark.parametrize("how", ["cat", "-A", "-r"])
def test_tars_that_are_joined_or_grown_are_read_whole(how, tmp_path):
    files = tmp_path / "files"
    for name in ("ant/1.jpg", "bee/2.jpg"):
        (files / name).parent.mkdir(parents=True)
        (files / name).write_bytes(name.encode())
    pack(files, "x.tar", "-c", "ant")
    pack(files, "y.tar", "-c", "bee")
    whole, more = tmp_path / "x.tar", tmp_path / "y.tar"
    if how == "cat":
        whole.write_bytes(whole.read_bytes() + more.read_bytes())
    else:
        pack(files, "x.tar", how, "../y.tar" if how == "-A" else "bee")
    expected = [("ant/1", "ant", b"ant/1.jpg"), ("bee/2", "bee", b"bee/2.jpg")]
    assert entries_of(whole, "webdataset") == expected


def test_samples_are_put_together_by_the_rule_for_keys():
    names = [b"a/b.c/d.e.jpg", b"./x.jpg", b"\xff.x\n.jpg", b"q", b"x.cls", b"a//b.c/d.cls",
             b"/q.z", b"\xff.cls", b".hid/a.jpg", b"a\n/.b", b"q.r"]  # fmt: skip
    for some in (names, [name for name in names if member_path(name) in (name, None)]):
        index = pa.table({"name": pa.array(some, pa.large_binary())})
        keys = [sample_key(member_path(name) or name) for name in some]
        expected = sorted(some, key=lambda name: keys.index(sample_key(member_path(name) or name)))
        assert group_samples(index)["name"].to_pylist() == expected


class SlowForTheFirst(LocalStore):
    """A slow disk for ``a.tar``, and a fast one for other files."""

    def open(self, path: str) -> RangeFile:
        time.sleep(0.1 * path.endswith("a.tar"))
        return super().open(path)


def test_problems_of_tars_come_in_the_order_of_the_tars(tmp_path):
    for name in ("a", "b", "c"):
        write_tar(tmp_path / f"{name}.tar", [("1.jpg", b"")])
        (tmp_path / f"{name}.tar").write_bytes((tmp_path / f"{name}.tar").read_bytes()[:1000])
    found: list[SourceError] = []
    tars = [Archive(f"{name}.tar", 1000) for name in ("a", "b", "c")]
    assert len(tar_indexes(SlowForTheFirst(str(tmp_path)), tars, found.append)) == 3
    assert [str(error)[:5] for error in found] == ["a.tar", "b.tar", "c.tar"]


def test_what_hugging_faces_library_writes_is_read(tmp_path, hugging_face_datasets):
    hf = hugging_face_datasets
    images = [{"bytes": b"%d" % n, "path": f"/home/me/{n}.jpg"} for n in range(3)]
    for name, label, values in (
        ("class", hf.ClassLabel(names=["zebra", "ant"]), [1, 0, 1]),
        ("text", hf.Value("string"), ["ant", "zebra", "ant"]),
        ("none", hf.ClassLabel(names=["zebra", "ant"]), [-1, -1, -1]),
    ):
        features = hf.Features({"image": hf.Image(decode=False), "label": label})
        made = hf.Dataset.from_dict({"image": images, "label": values}, features=features)
        made.to_parquet(tmp_path / name / "train-00000-of-00001.parquet")
    expected = [("ant/0", "ant", b"0"), ("ant/2", "ant", b"2"), ("zebra/1", "zebra", b"1")]
    for name in ("class", "text"):
        assert entries_of(tmp_path / name, "parquet") == expected
    assert [key for key, _, _ in entries_of(tmp_path / "none", "parquet")] == ["0", "1", "2"]


def test_options_of_archives_are_refused_for_folders_by_name(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(b"")
    for option in (["--keys", "file"], ["--image-field", "x"], ["--label-field", "x"]):
        assert run(["plan", "--src", str(tmp_path), "--engine", "stub", *option]) == 2
        assert f"{option[0]} goes with WebDataset and Parquet" in capsys.readouterr().err


def test_a_split_that_was_taken_out_of_a_tar_is_verified_against_it(tmp_path):
    synthetic_image(1, (50, 40)).save(tmp_path / "1.png")
    data = (tmp_path / "1.png").read_bytes()
    tar = write_tar(tmp_path / "x.tar", [("i/train/a/1.png", data), ("i/val/a/2.png", data)])
    fixed = ["--engine", "stub", "--size", "16", "--no-ray", "--quiet", "--split", "train"]
    out = str(tmp_path / "out")
    assert run(["build", "--src", str(tar), "--out", out, *fixed]) == 0
    assert run(["verify", out, "--deep", "--src", str(tar), "--quiet"]) == 0
    for command in (["inspect", out, "a/1", "--sheet"], ["report", out, "--html"]):
        target = tmp_path / ("x.png" if "--sheet" in command else "x.html")
        assert run([*command, str(target), "--src", str(tar)]) == 0
