"""What `texgen build` prints, and what it refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import make_source
from texgen.cli.main import run


def build(source: Path, out: Path, *more: str) -> int:
    fixed = ["--size", "16", "--engine", "stub", "--no-ray", "--quiet"]
    return run(["build", "--src", str(source), "--out", str(out), *fixed, *more])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    folder = tmp_path / "src" / "ant"
    folder.mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"no photograph")
    return tmp_path / "src"


def test_a_run_whose_rows_all_failed_is_not_already_complete(broken, tmp_path, capsys):
    assert build(broken, tmp_path / "out") == 1
    first, reason, budget = capsys.readouterr().out.splitlines()
    assert first.startswith("0 textures of 2 images in 1 shard, 2 failed: ")
    assert "(0 made in " in first
    assert reason.strip().startswith("2 x ")
    assert budget == "  2 images failed, more than --max-failures allows"
    assert build(broken, tmp_path / "out") == 1
    assert "(already complete)" in capsys.readouterr().out


def test_one_of_a_kind_is_no_plural(tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 1})
    assert build(source, tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith("1 texture of 1 image in 1 shard, 0 failed: ")


def test_json_counts_the_textures_made(broken, tmp_path, capsys):
    make_source(broken, {"bee": 1})
    assert build(broken, tmp_path / "out", "--json", "--max-failures", "2") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["made"], summary["failed"], summary["shards"]) == (1, 2, 1)


@pytest.mark.parametrize("out", ["link", "link/out"])
def test_an_out_behind_a_link_to_nothing_is_refused_with_the_link(broken, tmp_path, capsys, out):
    (tmp_path / "link").symlink_to(tmp_path / "unmounted")
    assert build(broken, tmp_path / out) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'link'}: File exists; it is a file or a link to nothing" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "unmounted").exists()


@pytest.mark.parametrize("option", ["--name", "--ray-address"])
def test_a_text_that_is_not_utf_8_is_refused_by_its_option(broken, tmp_path, capsys, option):
    assert build(broken, tmp_path / "out", option, os.fsdecode(b"a\xff")) == 2
    error = capsys.readouterr().err
    assert option in error
    assert r"a\xff is not UTF-8" in error
    assert not (tmp_path / "out").exists()


def test_reasons_beyond_the_three_most_common_are_counted(broken, tmp_path, capsys):
    folder = broken / "ant"
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    Image.new("RGB", (64, 64), "red").save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:60])
    assert build(broken, tmp_path / "out") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "5 failed" in lines[0]
    assert [line.split()[0] for line in lines[1:5]] == ["2", "1", "1", "1"]
    assert lines[4] == "  1 x 1 other reason; the manifest has them all"
