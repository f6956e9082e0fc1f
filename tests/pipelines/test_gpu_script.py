"""The script that measures a card, on Mesa's software one."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import make_source

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "gpu"
SMALL = ("--software", "--pairs", "2", "--size", "32", "--files", "16", "--steps", "2")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("images") / "train", {"ant": 2, "bee": 2})


@pytest.fixture
def without_vulkan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, str(tmp_path / "none.json"))


def part(name: str, images: Path, out: Path) -> tuple[list[Any], str]:
    """Results of a part, one for each time that it grew, and what it says if it fails."""
    line = [sys.executable, FOLDER, images, out, *SMALL, "--part", name]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    return [json.loads(row) for row in done.stdout.splitlines()], done.stderr


@pytest.mark.usefixtures("without_vulkan")
def test_a_machine_without_vulkan_is_told_what_is_missing(images: Path, tmp_path: Path) -> None:
    found, _ = part("device", images, tmp_path)
    assert "no GPU" in found[-1]["no device"]
    assert "device" not in found[-1]
    assert min(len(found[-1][name]) for name in ("processor", "memory", "torch")) > 0


@pytest.mark.usefixtures("without_vulkan")
def test_processors_are_measured_without_vulkan(images: Path, tmp_path: Path) -> None:
    found, says = part("rates", images, tmp_path)
    assert found[-1]["textures_per_s"]["processors"] > 0
    assert found[-1]["left out"] == ["1", "4", "16"]
    assert "no GPU" in says
    build, _ = part("build", images, tmp_path)
    assert build[-1]["cpu"]["seconds"] > 0
    assert "no GPU" in build[-1]["gpu"]["error"]
    assert build[-1]["left out"] == []


@pytest.mark.usefixtures("gpu")
def test_textures_of_a_card_are_compared_with_the_processors(images: Path, tmp_path: Path) -> None:
    found, _ = part("identity", images, tmp_path)
    assert found == [{"textures": 2, "size": 32, "differ": 0}]


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def stop_after(file: Path) -> None:
    """Stops this process as Ctrl-C does, once that file is there and a second is over."""
    while not file.exists():
        time.sleep(0.1)
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)


ENDLESS = """
import json, pathlib, subprocess, sys, time
print(json.dumps({"runs": {"first": 1}, "left out": ["second", "third"]}), flush=True)
print(json.dumps({"runs": {"first": 1, "second": 2}, "left out": ["third"]}), flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"],
                         start_new_session=True, stdout=-3, stderr=-3)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
print('{"runs": ', end="", flush=True)
time.sleep(99)
"""


@pytest.mark.parametrize("end", ["time", "error", "signal"])
def test_a_part_that_is_cut_off_keeps_what_it_has_measured_and_ends_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    processes = importlib.import_module("processes")
    code = (
        ENDLESS.replace("time.sleep(99)\n", "sys.exit('broken')\n") if end == "error" else ENDLESS
    )
    (tmp_path / "__main__.py").write_text(code)
    monkeypatch.setattr(processes, "__file__", str(tmp_path / "processes.py"))
    monkeypatch.setattr(sys, "argv", ["gpu", str(tmp_path / "pid")])
    if end == "signal":
        threading.Thread(target=stop_after, args=(tmp_path / "pid",)).start()
    # Processes of pytest-xdist ignore it.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = processes.run("training", 99 if end == "signal" else 15)
    finally:
        signal.signal(signal.SIGINT, usual)
    said = {"time": "cut off after 15 s", "error": "broken", "signal": "stopped"}
    assert found.pop("error") == said[end]
    assert found == {"runs": {"first": 1, "second": 2}, "left out": ["third"]}
    if end != "error":
        # What is killed may take a moment to end.
        deadline = time.monotonic() + 30
        while runs(int((tmp_path / "pid").read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_parts_of_the_script_take_eight_minutes_on_a_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("gpu_script", FOLDER / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_script", script)
    spec.loader.exec_module(script)
    assert sum(part.seconds for part in script.PARTS.values()) < 8 * 60
    cut = {"runs": {"64 px: built": {"error": "no card"}}, "left out": ["a", "b"], "error": "late"}
    rows = script.told(script.PARTS["training"], cut).splitlines()
    assert [row.split() for row in rows] == [
        ["64", "px:", "built", "no", "card"], ["late"], ["left", "out:", "a;", "b"],
    ]  # fmt: skip
    assert script.told(script.PARTS["rates"], {"error": "no card"}) == "no card"


@pytest.mark.slow
@pytest.mark.usefixtures("no_orphans")
def test_the_script_measures_everything_and_says_so(images: Path, gpu: str, tmp_path: Path) -> None:
    line = ["bash", ROOT / "benchmarks" / "gpu.sh", images, tmp_path / "out", *SMALL,
            "--training-sizes", "32,40"]  # fmt: skip
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=1800, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert found["date"].startswith("20")
    parts = found["parts"]
    assert parts["device"]["device"] == gpu
    assert parts["identity"]["textures"] == 2
    assert min(parts["rates"]["textures_per_s"].values()) > 0
    assert min(parts["build"][device]["seconds"] for device in ("gpu", "cpu")) > 0
    runs = {**parts["training"]["runs"], **parts["ranks"]["runs"]}
    assert list(runs) == [
        *(f"{size} px: {name}" for size in (32, 40)
          for name in ("none, AMP", "built", "fresh, card", "fresh, processors")),
        "32 px: none", "32 px: none, AMP, compile", "32 px: 2 ranks, gloo",
    ]  # fmt: skip
    assert min(run["images_per_s"] for run in runs.values()) > 0
    assert gpu in done.stdout
