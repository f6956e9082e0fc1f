"""`texgen build`: its output, and the options that it refuses."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import make_source, tree
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
    assert budget.startswith("  2 images failed, and --max-failures allows 0; --retry")
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
    assert lines[4] == "  1 x 1 other reason; the manifest lists them all"


@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_overwrite_asks_and_takes_no_for_an_answer(answer, tmp_path, capsys, monkeypatch):
    source = make_source(tmp_path / "src", {"ant": 2})
    assert build(source, tmp_path / "out") == 0
    before = tree(tmp_path / "out")
    terminal = io.StringIO(answer + "\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert build(source, tmp_path / "out", "--overwrite", "--seed", "1") == 2
    shown = capsys.readouterr().err
    assert "holds a finished data set: 1 shard, " in shown
    assert "nothing was deleted" in shown
    assert tree(tmp_path / "out") == before


def test_overwrite_without_a_terminal_wants_yes(tmp_path, capsys, monkeypatch):
    source = make_source(tmp_path / "src", {"ant": 2})
    monkeypatch.setattr("sys.stdin", None)
    assert build(source, tmp_path / "out", "--overwrite") == 0
    before = tree(tmp_path / "out")
    assert build(source, tmp_path / "out", "--overwrite") == 2
    assert "add --yes" in capsys.readouterr().err
    assert tree(tmp_path / "out") == before


def test_overwrite_builds_what_an_empty_out_would_get(tmp_path):
    source = make_source(tmp_path / "src", {"ant": 9})
    many = ("--samples-per-shard", "2", "--textures-per-image", "3")
    assert build(source, tmp_path / "out", *many) == 0
    assert build(source, tmp_path / "out", "--seed", "1") == 2
    assert build(source, tmp_path / "out", "--seed", "1", "--overwrite", "--yes") == 0
    assert build(source, tmp_path / "new", "--seed", "1") == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "new")
    assert run(["verify", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    "foreign", ["notes.txt", "train/train-000000.tar.bak", "train/x/train-000000.tar", "val/a.tar"]
)
def test_overwrite_refuses_an_out_with_foreign_files(foreign, tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 2})
    assert build(source, tmp_path / "out") == 0
    path = tmp_path / "out" / foreign
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("mine")
    before = tree(tmp_path / "out")
    capsys.readouterr()
    assert build(source, tmp_path / "out", "--overwrite", "--yes") == 2
    assert capsys.readouterr().err.startswith(f"texgen: --overwrite: OUT holds {foreign}, which ")
    assert tree(tmp_path / "out") == before


def test_overwrite_keeps_everything_where_the_images_cannot_be_listed(tmp_path):
    source = make_source(tmp_path / "src", {"ant": 2})
    assert build(source, tmp_path / "out") == 0
    before = tree(tmp_path / "out")
    for synthetic_image in source.rglob("*.JPEG"):
        synthetic_image.unlink()
    assert build(source, tmp_path / "out", "--overwrite", "--yes") == 2
    assert tree(tmp_path / "out") == before


def test_parts_in_any_order_give_the_whole(tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 5, "bee": 4})
    small = ("--samples-per-shard", "2")
    assert build(source, tmp_path / "whole", *small) == 0
    capsys.readouterr()
    for part in ("3/3", "1/3"):
        assert build(source, tmp_path / "out", *small, "--part", part, "--json") == 0
        assert not (tmp_path / "out" / "index.json").exists()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["left_to_others"] == 2
    assert build(source, tmp_path / "out", *small, "--part", "1/3") == 0
    assert "part 1/3 is done, 0 failed: " in (said := capsys.readouterr().out)
    assert "(already complete); 2 shards of 5 are left to other parts" in said
    assert build(source, tmp_path / "out", *small, "--part", "2/3") == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_part_counts_the_failures_of_its_own_shards(broken, tmp_path, capsys):
    make_source(broken, {"bee": 2})
    small = ("--samples-per-shard", "2", "--max-failures", "1")
    assert build(broken, tmp_path / "out", *small, "--part", "2/2") == 0
    assert build(broken, tmp_path / "out", *small, "--part", "1/2") == 1
    assert "2 images failed, and --max-failures allows " in capsys.readouterr().out


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_what_is_no_part_is_refused(part, tmp_path, capsys):
    assert build(tmp_path, tmp_path / "out", "--part", part) == 2
    assert "is not a valid part: expected I/N, such as 1/8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [("--overwrite", "--retry-failed"), ("--overwrite", "--part", "1/2"),
     ("--no-ray", "--ray-address", "auto")],
)  # fmt: skip
def test_options_that_contradict_each_other_are_named(options, tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 1})
    assert build(source, tmp_path / "out", *options) == 2
    assert "exclude each other; leave one out" in capsys.readouterr().err


def test_a_retry_with_a_image_that_was_replaced_says_what_it_is_for(tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 2})
    damaged = source / "ant" / "ant_001.JPEG"
    whole = damaged.read_bytes()
    damaged.unlink()
    damaged.symlink_to("nowhere")
    assert build(source, tmp_path / "out", "--max-failures", "1") == 0
    damaged.unlink()
    damaged.write_bytes(whole)
    assert build(source, tmp_path / "out", "--retry-failed") == 2
    error = capsys.readouterr().err
    assert f"had no size (a link to nothing, or in Parquet), label 0; now {len(whole)}" in error
    assert "--retry-failed needs images of which no byte has changed" in error


def test_a_retry_makes_failed_rows_and_keeps_the_others(tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 6})
    small = ("--samples-per-shard", "3", "--textures-per-image", "2")
    assert build(source, tmp_path / "whole", *small) == 0
    damaged = source / "ant" / "ant_002.JPEG"
    whole = damaged.read_bytes()
    # The file keeps its length, since another length would make it another image.
    damaged.write_bytes(bytes(len(whole)))
    assert build(source, tmp_path / "out", *small, "--max-failures", "1") == 0
    retry = ("--max-failures", "1", "--retry-failed", "--json")
    capsys.readouterr()
    assert build(source, tmp_path / "out", *small, *retry) == 0
    # Textures that are kept do not count as made.
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["made"] == 0
    damaged.write_bytes(whole)
    assert build(source, tmp_path / "out", *small) == 1
    assert build(source, tmp_path / "out", *small, "--retry-failed", "--json") == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["failed"], summary["made"]) == (0, 2)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert not list((tmp_path / "out" / "_build" / "retry").iterdir())
    assert build(source, tmp_path / "out", *small, "--retry-failed") == 0
    assert "already complete" in capsys.readouterr().out
