"""`texgen plan`: the preview of a build."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import make_source, synthetic_image, tree
from tests.support.archives import write_parquet, write_tar
from texgen.cli.main import run

FIXED = ["--size", "16", "--engine", "stub", "--no-ray"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    make_source(root / "train", {"ant": 4, "bee": 3}, (50, 40))
    make_source(root / "val", {"ant": 2, "cat": 1}, (120, 110))
    return root


def plan(source: Path, *more: object) -> int:
    return run(["plan", "--src", str(source), *FIXED, *map(str, more)])


def planned(source: Path, capsys: pytest.CaptureFixture[str], *more: object) -> dict:
    plan(source, "--json", *more)
    report: dict = json.loads(capsys.readouterr().out)
    return report


def test_it_counts_what_a_build_would_make_and_writes_nothing(source, tmp_path, capsys):
    many = ("--samples-per-shard", 4, "--textures-per-image", 2)
    report = planned(source, capsys, *many, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert run(["build", "--src", str(source), "--out", str(tmp_path / "out"), *FIXED,
                *map(str, many), "--json", "--quiet"]) == 0  # fmt: skip
    built = json.loads(capsys.readouterr().out)
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert report["fingerprint"] == built["fingerprint"]
    assert report["textures"] == report["textures_left"] == built["textures"] == 20
    assert report["shards"] == report["shards_left"] == built["shards"]
    for name, split in report["splits"].items():
        assert split["images"] == index["splits"][name]["images"]
        assert split["classes"] == len(index["splits"][name]["classes"])
        assert split["shards"] == len(index["splits"][name]["shards"])
    image_source = [p for p in source.rglob("*") if p.is_file()]
    sizes = sum(path.stat().st_size for path in image_source)
    # No image is split between two shards here.
    assert sum(split["bytes"] for split in report["splits"].values()) == sizes
    tried = report["tried"]
    assert (tried["photographs"], tried["small"], tried["textures"]) == (10, 7, 10)


def test_bytes_are_near_those_of_the_build(source, tmp_path, capsys):
    report = planned(source, capsys)
    assert (
        run(["build", "--src", str(source), "--out", str(tmp_path / "o"), *FIXED, "--quiet"]) == 0
    )
    found = sum(path.stat().st_size for path in (tmp_path / "o").rglob("*.tar"))
    assert abs(report["bytes"] - found) < 2 * report["bytes_standard_error"]
    assert report["bytes_standard_error"] < found / 2


def test_what_is_there_already_is_not_left(source, tmp_path, capsys):
    out = tmp_path / "out"
    small = ("--samples-per-shard", "3")
    assert run(["build", "--src", str(source), "--out", str(out), *FIXED, *small, "--quiet"]) == 0
    (out / "_build" / "records" / "train-000001.arrow").unlink()
    before = tree(out)
    capsys.readouterr()
    report = planned(source, capsys, *small, "--out", out)
    assert (report["textures_left"], report["shards_left"]) == (3, 1)
    assert tree(out) == before
    report = planned(source, capsys, *small, "--out", out, "--overwrite")
    assert report["textures_left"] == 10
    assert plan(source, "--out", out) == 1
    assert "problem: OUT holds another build: samples_per_shard" in capsys.readouterr().out


def test_classes_that_differ_between_splits_are_warned_of(source, capsys):
    assert plan(source) == 0
    shown = capsys.readouterr().out
    assert "warning: 'val' lacks a class of the other split (bee): labels differ" in shown
    assert "warning: 'train' lacks a class of the other split (cat): labels differ" in shown
    shutil.rmtree(source / "val")
    make_source(source / "val", {"ant": 1, "bee": 1})
    plan(source)
    assert "warning" not in capsys.readouterr().out


def test_every_name_clash_is_a_problem_and_not_only_the_first(source, capsys):
    for name in ("ant_000", "ant_001"):
        shutil.copy(
            source / "train" / "ant" / f"{name}.JPEG", source / "train" / "ant" / f"{name}.png"
        )
    assert plan(source) == 1
    problems = [line for line in capsys.readouterr().out.splitlines() if "problem: " in line]
    assert len(problems) == 2
    assert all("have the same key" in problem and "rename one" in problem for problem in problems)


def cut_parquet(place: Path, jpeg: bytes) -> None:
    file = write_parquet(place / "x.parquet", {"ant/1.jpg": jpeg})
    file.write_bytes(file.read_bytes()[:-100])


def other_columns(place: Path, jpeg: bytes) -> None:
    pq.write_table(pa.table({"label": [1]}), place / "x.parquet")


def no_label(place: Path, jpeg: bytes) -> None:
    write_tar(place / "x.tar", [("1.jpg", jpeg), ("1.cls", b"1.5")])


def empty_tar(place: Path, jpeg: bytes) -> None:
    (place / "x.tar").write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut_parquet, other_columns, no_label, empty_tar])
def test_what_leaves_no_image_is_named_as_build_names_it(spoil, tmp_path, capsys):
    jpeg = io.BytesIO()
    synthetic_image(1, (50, 40)).save(jpeg, "JPEG")
    (tmp_path / "src").mkdir()
    spoil(tmp_path / "src", jpeg.getvalue())
    build = ["build", "--src", str(tmp_path / "src"), "--out", str(tmp_path / "out"), *FIXED]
    assert run([*build, "--quiet"]) == 2
    named = capsys.readouterr().err.removeprefix("texgen: ").strip()
    assert "x." in named
    assert plan(tmp_path / "src") == 1
    shown = capsys.readouterr()
    assert f"problem: {named}" in shown.out
    assert "holds no images; " not in shown.out + shown.err
    report = planned(tmp_path / "src", capsys, "--out", tmp_path / "new")
    assert report["problems"] == [named]
    assert report["textures"] == 0


def test_a_place_without_images_is_said_to_be_one(tmp_path, capsys):
    (tmp_path / "src" / "ant").mkdir(parents=True)
    assert plan(tmp_path / "src", "--json") == 2
    assert "--src holds no images; expected class folders" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_is_a_problem(source, capsys, monkeypatch):
    scan = os.scandir

    def denied(place):
        if isinstance(place, bytes) and place.endswith(b"bee"):
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", denied)
    assert plan(source) == 1
    shown = capsys.readouterr().out
    assert "problem: cannot list " in shown
    assert "train/bee: Permission denied" in shown
    assert "train: 4 images in 2 classes" in shown


def test_images_that_cannot_be_read_are_warned_of(source, capsys):
    for path in (source / "train").rglob("*.JPEG"):
        path.write_bytes(b"no photograph")
    assert plan(source, "--max-failures", 7) == 0
    shown = capsys.readouterr().out
    assert "warning: 7 of 10 images tried cannot be read, such as train/" in shown
    for path in (source / "val").rglob("*.JPEG"):
        path.write_bytes(b"")
    assert plan(source, "--max-failures", 10) == 0
    assert "cost: unknown" in capsys.readouterr().out


def test_more_unreadable_images_than_may_fail_are_a_problem(source, capsys):
    (source / "train" / "ant" / "ant_000.JPEG").write_bytes(b"no photograph")
    assert plan(source, "--max-failures", 1) == 0
    assert plan(source) == 1
    what = "problem: 1 of 10 images cannot be read, and --max-failures allows 0"
    assert what in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 7])
def test_the_engine_that_makes_textures_by_default_has_a_cost(count, source, capsys):
    """The time that the first image spends on work done once is not multiplied by the images."""
    shutil.rmtree(source / "val")
    assert run(["plan", "--src", str(source), "--limit", str(count), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tried"]["textures"] == count
    # The schedules alone take ten times as long.
    assert 0 < report["core_seconds"] / count < 0.5


def test_where_nothing_is_left_nothing_is_tried(source, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["build", "--src", str(source), "--out", str(out), *FIXED, "--quiet"]) == 0
    capsys.readouterr()
    assert plan(source, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "OUT has 2 of 2 shards, 0 textures left" in shown
    assert not any(line.startswith(("size:", "cost:", "time:")) for line in shown.splitlines())
    report = planned(source, capsys, "--out", out)
    assert (report["tried"]["photographs"], report["bytes"], report["core_seconds"]) == (0, 0, 0)


def test_an_out_that_a_build_may_not_write_to_is_a_problem(source, tmp_path, capsys, monkeypatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    # The tests may run as root, which may read everything.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != kept and access(path, mode))
    assert plan(source, "--out", kept / "new") == 1
    shown = capsys.readouterr().out
    assert f"problem: cannot write to {kept / 'new'}: Permission denied; change its perm" in shown


def test_cores_that_no_shard_is_left_for_take_no_time_off(source, capsys):
    seconds = planned(source, capsys, "--cores", 1, "--cores", 1000, "--cores", 2000)["seconds"]
    assert seconds["1"] > seconds["1000"] == seconds["2000"]


def test_a_foreign_out_is_a_problem(source, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    for more in ((), ("--overwrite",)):
        assert plan(source, "--out", tmp_path / "out", *more) == 1
        assert "thesis.tex" in capsys.readouterr().out


def test_an_out_with_an_unfinished_download_is_a_problem(source, tmp_path, capsys):
    fingerprint = tmp_path / "out" / "_build" / "download" / "fingerprint"
    fingerprint.parent.mkdir(parents=True)
    fingerprint.write_text("0" * 64)
    (fingerprint.parents[1] / "lock").touch()
    assert plan(source, "--out", tmp_path / "out") == 1
    assert "problem: OUT holds an unfinished download: " in capsys.readouterr().out


def test_the_command_of_a_build_is_that_of_a_plan(source, tmp_path, capsys):
    config = tmp_path / "build.toml"
    config.write_text("quiet = true\nseed = 3\n")
    assert plan(source, "--out", tmp_path / "out", "--quiet", "--workers", 2, "--yes") == 0
    assert plan(source, "--out", tmp_path / "out", "--config", config) == 0
    assert not (tmp_path / "out").exists()
