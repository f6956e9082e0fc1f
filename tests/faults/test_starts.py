"""Signals while texgen and Ray start, and addresses without a cluster."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Texgen, command
from tests.faults.conftest import SMALL, BadWorker, wait_until
from tests.faults.test_stops import all_end, descendants

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

Launch = Callable[..., subprocess.Popen[str]]

BOTH = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts a command in a new process group, and ends it after the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            list(map(str, arguments)),
            env=env,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


INSTALLED = Path(sys.executable).with_name("texgen")


def catches_sigterm(process: subprocess.Popen[str]) -> bool:
    """Whether the installed command has installed its handlers (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def ray_has_a_process(process: subprocess.Popen[str]) -> bool:
    return any(below.name() in {"gcs_server", "raylet"} for below in descendants(process))


def ray_is_connecting(process: subprocess.Popen[str]) -> bool:
    """Whether Ray's native code runs in the driver, and has installed its own handlers."""
    logs = Path("/tmp/ray").glob(f"session_*/logs/python-core-driver-*_{process.pid}.log")
    return next(logs, None) is not None


@BOTH
@pytest.mark.parametrize("moment", [catches_sigterm, ray_has_a_process, ray_is_connecting])
def test_a_signal_at_the_start_ends_the_command_with_its_code_and_no_dump(
    moment: Callable[[subprocess.Popen[str]], bool],
    number: signal.Signals,
    code: int,
    forty: Path,
    tmp_path: Path,
    launch: Launch,
) -> None:
    process = launch(INSTALLED, "build", "--src", forty, "--out", tmp_path / "out", *SMALL)
    wait_until(lambda: moment(process), process)
    below = descendants(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert all(line.startswith(("texgen: stopped", "listing ")) for line in errors.splitlines())
    all_end(below)


def test_ctrl_c_reaches_no_task_process_that_starts(
    forty: Path, tmp_path: Path, bad_worker: BadWorker, launch: Launch
) -> None:
    arguments = ("build", "--src", forty, "--out", tmp_path / "out", *SMALL, "--no-ray")
    process = launch(INSTALLED, *arguments, env=bad_worker("slow", seconds=0.15))

    def task_starts() -> bool:
        with contextlib.suppress(psutil.Error):
            return any("texgen-task" in p.cmdline() for p in descendants(process))
        return False

    wait_until(task_starts, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that accepts connections and never answers."""
    # Bound to all addresses, since Ray uses another one than 127.0.0.1.
    with socket.create_server(("", 0)) as server:
        yield server


@pytest.mark.parametrize("named", ["option", "environment"])
def test_a_port_where_something_else_listens_is_one_line_within_seconds(
    named: str, silent: socket.socket, forty: Path, tmp_path: Path, texgen: Texgen
) -> None:
    address = f"127.0.0.1:{silent.getsockname()[1]}"
    given = address if named == "option" else "auto"
    started = time.monotonic()
    result = texgen(
        *("build", "--src", forty, "--out", tmp_path / "out", *SMALL, "--quiet"),
        *("--ray-address", given),
        env={**os.environ, "RAY_ADDRESS": address},
        timeout=60,
    )
    assert time.monotonic() - started < 40
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"texgen: --ray-address {given}")
    assert address in line
    assert "no answer" in line


@BOTH
def test_a_wait_for_a_cluster_that_is_none_can_be_stopped(
    number: signal.Signals,
    code: int,
    silent: socket.socket,
    forty: Path,
    tmp_path: Path,
    launch: Launch,
) -> None:
    address = ("--ray-address", f"127.0.0.1:{silent.getsockname()[1]}")
    process = launch(*command("build", "--src", forty, "--out", tmp_path / "out", *SMALL, *address))
    silent.settimeout(60)
    # The first connection only checks that something listens; the second one is Ray's.
    connections = [silent.accept() for _ in range(2)]
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == code
    assert errors.splitlines()[-1].startswith("texgen: stopped")
    for connection, _ in connections:
        connection.close()


def test_a_command_line_that_ray_cannot_take_names_the_way_round(
    forty: Path, tmp_path: Path, texgen: Texgen
) -> None:
    strange = tmp_path / os.fsdecode(b"\xff")
    strange.symlink_to(forty)
    plain = tmp_path / "plain"
    plain.symlink_to(strange)
    result = texgen("build", "--src", strange, "--out", tmp_path / "a", *SMALL, "--quiet")
    assert result.returncode == 2
    assert "is not UTF-8; rename it, or name a link to it" in result.stderr
    assert result.stderr.count("\n") == 1
    arguments = ("build", "--src", plain, "--out", tmp_path / "a", *SMALL, "--quiet")
    working = tmp_path / os.fsdecode(b"\xfe")
    working.mkdir()
    # The current folder of the command does not matter to Ray.
    result = texgen(*arguments, cwd=working)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("ending", ["texture in flight", "Ctrl-C"])
def test_a_script_ends_without_waiting_for_a_texture(
    ending: str, bad_worker: BadWorker, launch: Launch
) -> None:
    thread = ending != "Ctrl-C"
    call = "threading.Thread(target=make, daemon=True).start()" if thread else "make()"
    script = f"""
import signal, sys, threading, time, numpy, texgen
from texgen.synthesis import shared_pools

# Where the tests run behind a shell's "&", interrupts are ignored from the start.
signal.signal(signal.SIGINT, signal.default_int_handler)

def make():
    texgen.synthesize([numpy.zeros((32, 32, 3), numpy.uint8)], 32)

def follow():
    while not any(pool.pids() for pool in list(shared_pools._pools.values())):
        time.sleep(0.01)
    print("at work", flush=True)

follower = threading.Thread(target=follow, daemon=True)
follower.start()
{call}
follower.join()
"""
    process = launch(sys.executable, "-c", script, env=bad_worker("hang"))
    assert process.stdout.readline() == "at work\n"
    if not thread:
        process.send_signal(signal.SIGINT)
    # The engine would hang for 120 s, three times.
    process.communicate(timeout=20)
    assert process.returncode == (0 if thread else -signal.SIGINT)
