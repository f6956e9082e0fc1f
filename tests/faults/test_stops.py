"""Ctrl-C, SIGTERM and SIGKILL of a build, and of parts of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import command, tree
from tests.faults.conftest import SMALL, BadWorker, in_the_middle, wait_until
from tests.faults.matrix import RAYS_OWN

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

Started = Callable[..., tuple[subprocess.Popen[str], Path]]
GoesOn = Callable[[Path], None]

RUNNERS = [pytest.param(("--no-ray",), id="no-ray"), pytest.param((), id="ray")]


def no_unfinished_file(out: Path, undisturbed: Path) -> None:
    """Checks that each file with a final name equals that of the undisturbed build."""
    whole = tree(undisturbed)
    for path, data in tree(out).items():
        assert data == whole[path], path
    assert "index.json" not in tree(out)


def name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_end(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs([p for p in processes if name(p) not in RAYS_OWN], timeout=20)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_finished_shards_and_says_how_to_go_on(
    runner: tuple[str, ...],
    number: signal.Signals,
    code: int,
    started: Started,
    goes_on: GoesOn,
    undisturbed: Path,
) -> None:
    process, out = started(*runner)
    below = descendants(process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    last = errors.strip().splitlines()[-1]
    assert last.startswith("texgen: stopped;")
    assert " kept; the same command resumes the build" in last
    assert "Traceback" not in errors
    all_end(below)
    assert not list(out.glob("_build/tmp/*"))
    no_unfinished_file(out, undisturbed)
    # A shard without its record is made again: the build was stopped between the two.
    finished = {path.name.split(".")[0] for path in out.glob("_build/records/*")}
    shards = [path for path in out.glob("train/*.tar") if path.stem in finished]
    kept = {path: path.stat().st_mtime_ns for path in shards}
    assert kept
    goes_on(out)
    assert tree(out) == tree(undisturbed)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_ctrl_c_twice_is_out_at_once(started: Started, undisturbed: Path) -> None:
    process, out = started("--no-ray")
    below = descendants(process)
    tasks = [p for p in below if "texgen-task" in p.cmdline()]
    # A suspended task cannot end by itself, so a single Ctrl-C would wait for it.
    for task in tasks:
        task.suspend()
    process.send_signal(signal.SIGINT)
    wait_until(lambda: any(asked_to_end(task) for task in tasks), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    for task in tasks:
        with contextlib.suppress(psutil.NoSuchProcess):
            task.resume()
    _, errors = process.communicate(timeout=20)
    assert " kept" not in errors
    all_end(below)
    no_unfinished_file(out, undisturbed)


def asked_to_end(process: psutil.Process) -> bool:
    """Whether a SIGTERM is pending for the process (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    pending = int(re.search(r"^ShdPnd:\s*(\w+)$", status, re.MULTILINE)[1], 16)
    return bool(pending >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("runner", RUNNERS)
def test_sigkill_of_the_driver_leaves_no_process_and_the_same_command_goes_on(
    runner: tuple[str, ...], started: Started, goes_on: GoesOn, undisturbed: Path
) -> None:
    process, out = started(*runner)
    below = descendants(process)
    process.kill()
    process.wait(timeout=20)
    all_end(below)
    no_unfinished_file(out, undisturbed)
    goes_on(out)
    assert tree(out) == tree(undisturbed)
    assert not list(out.glob("_build/tmp/*"))


@pytest.mark.parametrize("runner", RUNNERS)
def test_sigkill_of_a_task_costs_only_its_attempt(
    runner: tuple[str, ...], started: Started, undisturbed: Path
) -> None:
    process, out = started(*runner)
    workers = [p for p in descendants(process) if p.name() == "texgen-worker"]
    # The parent of the engine is bad_worker.py, whose parent is the task.
    workers[0].parent().parent().kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert tree(out) == tree(undisturbed)
    log = (out / "_build" / "logs" / "build.log").read_text()
    assert ", attempt 1: " in log


def test_a_second_build_into_the_same_out_is_refused_with_the_holder(
    started: Started, forty: Path
) -> None:
    process, out = started("--no-ray")
    second = subprocess.run(
        command("build", "--src", forty, "--out", out, *SMALL, "--no-ray"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert f"process {process.pid}" in second.stderr
    assert in_the_middle(out)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_deep_verify_at_once_with_its_engines(
    number: signal.Signals, code: int, forty: Path, undisturbed: Path, bad_worker: BadWorker
) -> None:
    options = ("--deep", "--src", forty, "--sample", 40, "--workers", 2)
    process = subprocess.Popen(
        command("verify", undisturbed, *options),
        env=bad_worker("slow", seconds=2),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(descendants(process)) >= 4, process)
    below = descendants(process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (code, "")
    assert errors == "texgen: stopped\n"
    all_end(below)
