"""Detection of the format of SRC, and the files that a pattern names."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest

from tests.support.archives import write_folder, write_parquet, write_tar
from texgen.cli.main import run
from texgen.core.errors import SourceError
from texgen.source import SourceSpec, find_format, open_source
from texgen.source.archive.patterns import fixed_folder, is_pattern, paths_of
from texgen.storage.local import LocalStore

IMAGE = {"ant/1.jpg": b"x"}


def test_sources_are_read_by_relative_paths_too(tmp_path, monkeypatch):
    write_folder(tmp_path / "images" / "train", IMAGE)
    write_tar(tmp_path / "images.tar", IMAGE.items())
    monkeypatch.chdir(tmp_path)
    places = ["images", "images/train", "images.tar", "./images.tar", "*.tar", "image{s,s}.tar"]
    for place in [*places, f"../{tmp_path.name}/*.tar"]:
        source = open_source(SourceSpec(place))
        [split] = source.splits()
        assert [source.read(entry) for entry in source.entries(split)] == [b"x"], place


def test_the_format_is_detected_from_the_files_in_src(tmp_path):
    write_folder(tmp_path / "folder" / "train", IMAGE)
    write_folder(tmp_path / "classes", IMAGE)
    write_folder(tmp_path / "flat", {"1.jpg": b""})
    write_tar(tmp_path / "ilsvrc" / "ILSVRC2012_img_val.tar", [("1.JPEG", b"")])
    write_tar(tmp_path / "wds" / "train-0.tar", [("1.jpg", b"")])
    write_tar(tmp_path / "split" / "train" / "0.tar", [("1.jpg", b"")])
    write_parquet(tmp_path / "parquet" / "train-00000.parquet", IMAGE)
    write_parquet(tmp_path / "hub" / "data" / "train-00000.parquet", IMAGE)
    (tmp_path / "hub" / "README.md").write_text("")
    for name, form in {
        "folder": "folder", "classes": "folder", "flat": "folder", "ilsvrc": "ilsvrc",
        "ilsvrc/ILSVRC2012_img_val.tar": "ilsvrc", "wds": "webdataset",
        "wds/train-0.tar": "webdataset", "wds/train-{0..9}.tar": "webdataset",
        "split": "webdataset", "split/train": "webdataset", "parquet": "parquet",
        "hub": "parquet", "hub/data/train-00000.parquet": "parquet", "hub/*/*.parquet": "parquet",
    }.items():  # fmt: skip
        assert find_format(str(tmp_path / name)) == form, name


def test_tars_beside_what_was_unpacked_of_them_are_left_alone(tmp_path):
    write_folder(tmp_path / "train", IMAGE)
    write_tar(tmp_path / "ILSVRC2012_img_train.tar", [])
    assert find_format(str(tmp_path)) == "folder"
    source = open_source(SourceSpec(str(tmp_path), format="ilsvrc"))
    assert [split.name for split in source.splits()] == ["train"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"x.tgz": gzip.compress(b"x")}, "compressed, .* gunzip"),
        ({"x.zip": b"PK\x03\x04"}, "a zip archive; unpack it"),
        ({"x.bin": b"some text"}, "neither a complete tar nor a Parquet file .*; expected class"),
        ({"x.tar": b""}, "cut off at byte 0 .*; expected class"),
        ({"src/notes.txt": b"", "src/a.csv": b"", "src/b.csv": b""},
         r"3 files \(2 .csv, 1 .txt\) and no image; expected class folders"),
        ({"src/n01440764.tar": b"", "src/n01443537.tar": b""}, "2 class tars such as n0144"),
        ({"src/a.tar.gz": b"", "src/b.tgz": b""},
         r"2 compressed tars such as a\.tar\.gz, .*; decompress them first"),
        ({"src/train/a.tar.gz": b"", "src/val/b.tar.gz": b""}, "2 compressed tars .*; decompress"),
        ({"src/a.tar": b"", "src/b.parquet": b""}, "parquet and webdataset; choose by --src-form"),
    ],
)  # fmt: skip
def test_a_src_that_fits_no_format_is_refused_in_one_line(content, error, tmp_path, capsys):
    write_folder(tmp_path, content)
    (place,) = tmp_path.iterdir()
    with pytest.raises(SourceError, match=error):
        find_format(str(place))
    assert run(["plan", "--src", str(place)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("more", [0, 600])
def test_a_compressed_tar_under_the_name_of_a_tar_is_to_be_decompressed(more, tmp_path, capsys):
    data = gzip.compress(random.Random(0).randbytes(more))
    write_folder(tmp_path, {"train-0.tar": data})
    assert run(["plan", "--src", str(tmp_path), "--size", "16", "--engine", "stub"]) == 1
    shown = capsys.readouterr().out
    assert "problem: train-0.tar is compressed, so that no part can be read alone" in shown
    assert "decompress it with gunzip" in shown
    assert "fetch" not in shown


def test_a_tar_whose_first_name_begins_as_a_compressed_file_does_is_a_tar(tmp_path):
    write_tar(tmp_path / "x.tar", [("BZhang/1.jpg", b"x"), ("PK\x03\x04/1.jpg", b"y")])
    source = open_source(SourceSpec(str(tmp_path)))
    (split,) = source.splits()
    assert len(list(source.entries(split))) == 2


def test_the_error_of_a_train_tar_of_another_name_has_the_right_name(tmp_path):
    path = write_tar(tmp_path / "x.tar", [("n01440764.tar", b"")])
    with pytest.raises(
        SourceError, match=r"a tar of class tars; name it ILSVRC2012_img_train\.tar"
    ):
        find_format(str(path))


@pytest.mark.parametrize("form", ["folder", "ilsvrc", "webdataset", "parquet"])
@pytest.mark.parametrize("place", ["gone", "file.bin", "empty", "other"])
def test_a_format_that_was_forced_on_something_else_is_one_line(form, place, tmp_path, capsys):
    (tmp_path / "file.bin").write_bytes(b"some text, more than four bytes")
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "other", {"text.txt": b""})
    command = ["build", "--no-ray", "--quiet", "--out", str(tmp_path / "out")]
    code = run([*command, "--src", str(tmp_path / place), "--src-format", form])
    error = capsys.readouterr().err
    assert code == 2
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/d/a-{08..11}.tar", ["/d/a-08.tar", "/d/a-09.tar", "/d/a-10.tar", "/d/a-11.tar"]),
        ("/d/a-{2..0}.tar", ["/d/a-0.tar", "/d/a-1.tar", "/d/a-2.tar"]),
        ("/d/a-{9..10}.tar", ["/d/a-10.tar", "/d/a-9.tar"]),
        ("/{a,b}/{0..1}.tar", ["/a/0.tar", "/a/1.tar", "/b/0.tar", "/b/1.tar"]),
    ],
)
def test_braces_name_files_whether_they_are_there_or_not(pattern, paths):
    assert is_pattern(pattern)
    assert paths_of(LocalStore(), pattern) == paths


def test_stars_name_what_is_there(tmp_path):
    write_folder(tmp_path, {"train/a-1.tar": b"", "train/a-2.tar": b"", "val/a-1.tar": b""})
    found = paths_of(LocalStore(), f"{tmp_path}/*/a-[1-9].tar")
    names = [os.path.relpath(path, tmp_path) for path in found]
    assert names == ["train/a-1.tar", "train/a-2.tar", "val/a-1.tar"]
    assert paths_of(LocalStore(), f"{tmp_path}/{{train,val}}/?-1.tar") == [found[0], found[2]]
    assert paths_of(LocalStore(), f"{tmp_path}/none/*.tar") == []
    assert fixed_folder(LocalStore(), f"{tmp_path}/*/a.tar") == str(tmp_path)


def test_a_pattern_may_be_the_name_of_a_file_and_not_name_too_many(tmp_path):
    assert not is_pattern("/d/{a}.tar")
    write_tar(tmp_path / "a[1].tar", [("x.jpg", b"")])
    source = open_source(SourceSpec(str(tmp_path / "a[1].tar")))
    assert [e.key for e in source.entries(source.splits()[0])] == ["x"]
    with pytest.raises(SourceError, match="more than 1000000 files"):
        paths_of(LocalStore(), "/d/{0..9999999999}.tar")


def test_a_file_that_a_pattern_names_and_is_not_there_is_a_problem(tmp_path):
    write_tar(tmp_path / "t-0.tar", [("x.jpg", b"")])
    found: list[SourceError] = []
    source = open_source(SourceSpec(f"{tmp_path}/t-{{0..2}}.tar"), found.append)
    source.splits()
    assert [str(error) for error in found] == [
        "cannot read t-1.tar: No such file or directory",
        "cannot read t-2.tar: No such file or directory",
    ]
    with pytest.raises(SourceError, match=r"no \.tar files"):
        open_source(SourceSpec(f"{tmp_path}/none-*.tar")).splits()


def test_a_pattern_is_built_from_the_command_line(tmp_path: Path, capsys):
    write_tar(tmp_path / "src" / "val-0.tar", [("x.jpg", b"")])
    arguments = ["plan", "--src", f"{tmp_path}/src/val-{{0..0}}.tar", "--engine", "stub"]
    assert run([*arguments, "--max-failures", "1"]) == 0
    assert "val: 1 image, flat" in capsys.readouterr().out
