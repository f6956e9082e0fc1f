"""`texgen bench`, with the real worker's stub engine."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from texgen.build.bench_builds import BuildCost
from texgen.build.bench_engines import EngineCost
from texgen.cli.bench import _build_line
from texgen.cli.main import run


@pytest.fixture
def image_source(tmp_path):
    folder = tmp_path / "images" / "train" / "a"
    folder.mkdir(parents=True)
    for index in range(4):
        Image.new("RGB", (120, 100), (index * 60, 9, 9)).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes(b"nothing")
    return str(tmp_path / "images")


def test_it_reports_every_engine_and_where_the_time_goes(image_source, capsys):
    arguments = ["bench", "--src", image_source, "--engine", "stub,fast", "--repeat", "2"]
    assert run([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["textures"] == 4
    stub, fast = report["engines"]
    assert (stub["name"], fast["name"]) == ("stub", "fast")
    assert len(fast["rounds"]) == 2
    assert fast["texture_s"] > stub["texture_s"]
    assert fast["schedule_s"] > 0
    assert fast["parts"]["schedule"] < 1e-3
    assert fast["parts"]["synthesis"] > fast["parts"]["load"] > 0
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert "4 textures of 224 px a round, 2 rounds" in out
    assert "schedules once a process" in out


def test_ratios_are_against_the_last_engine(image_source, capsys):
    arguments = ["--limit", "1", "--repeat", "1", "--engine", "fast,embark"]
    assert run(["bench", "--src", image_source, *arguments]) == 0
    assert "times faster than embark" in capsys.readouterr().out


def test_an_unknown_engine_is_one_line_that_lists_those_there_are(image_source, capsys):
    assert run(["bench", "--src", image_source, "--engine", "fast,fats"]) == 2
    assert "'fats'; there are fast, embark, embark-cli" in capsys.readouterr().err


def test_images_that_cannot_be_read_are_one_line(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.jpg").write_bytes(b"nothing")
    assert run(["bench", "--src", str(tmp_path)]) == 2
    assert "can be decoded" in capsys.readouterr().err


def test_the_rest_is_what_is_in_none_of_the_parts():
    cost = EngineCost("fast", "1", 4, 0.2, [0.07, 0.06, 0.08], {"load": 0.01, "synthesis": 0.05})
    assert cost.texture_s == pytest.approx(0.07)
    assert cost.rest_s == pytest.approx(0.01)


def test_parts_that_make_more_than_the_whole_leave_no_rest():
    cost = EngineCost("fast", "1", 4, 0.2, [0.07], {"synthesis": 0.15})
    assert cost.rest_s == 0.0


def test_an_engine_that_does_not_start_is_a_usage_error(image_source, capsys, monkeypatch):
    monkeypatch.setenv("TEXGEN_KERNEL", "nonsense")
    assert run(["bench", "--src", image_source]) == 2
    assert "the engine 'fast' does not start: " in capsys.readouterr().err


_LEAVING = """
import subprocess, sys
busy = "import time\\nwhile time.process_time() < 1: pass"
subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.DEVNULL)
"""
"""A build that ends before its engine, which then takes one second of processor time."""


def test_whole_builds_count_the_processes_that_outlive_them():
    counted = f"from texgen.build import bench_builds as b; b._TEXGEN = {_LEAVING!r}; b.count([])"
    done = subprocess.run([sys.executable, "-c", counted], capture_output=True, check=True)
    times = json.loads(done.stdout)
    assert times["core_s"] >= 1


def test_whole_builds_are_timed_for_each_engine(image_source, capsys):
    arguments = ["bench", "--src", image_source, "--engine", "stub,fast", "--repeat", "1"]
    assert run([*arguments, "--build", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [build["name"] for build in report["builds"]] == ["stub", "fast"]
    for build, engine in zip(report["builds"], report["engines"], strict=True):
        assert build["textures"] == 4
        # The start of Python alone takes longer than a texture.
        assert build["texture_s"] > engine["texture_s"]
    assert run([*arguments, "--build"]) == 0
    # The start would dominate an estimate from a build of four textures.
    assert "--limit 200 or more estimates the cost of ImageNet" in capsys.readouterr().out


def test_enough_textures_are_projected_onto_imagenet():
    line = _build_line(BuildCost("fast", 200, [0.072], [7.2]))
    assert line.endswith("; 27 core-hours for ImageNet's 1,331,167 images")


def test_a_split_without_images_is_called_so(tmp_path, capsys):
    (tmp_path / "train" / "ant").mkdir(parents=True)
    assert run(["bench", "--src", str(tmp_path)]) == 2
    assert "holds no images; expected class folders" in capsys.readouterr().err


def test_a_build_that_ends_with_an_error_is_told_in_one_line(image_source, capsys, monkeypatch):
    done = EngineCost("stub", "1", 1, 0.0, [1.0])
    monkeypatch.setattr("texgen.cli.bench.compare_engines", lambda *_: [done])
    monkeypatch.setenv("TEXGEN_WORKER", "/nowhere/texgen-worker")
    arguments = ["bench", "--src", image_source, "--engine", "stub", "--repeat", "1", "--build"]
    assert run(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("texgen: a build with stub failed: texgen: ")
