"""Fixtures: engine processes that misbehave, and builds that can be hit at a known moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, make_source
from texgen.synthesize.locate import worker_path

BadWorker = Callable[..., dict[str, str]]


@pytest.fixture
def bad_worker(tmp_path: Path) -> BadWorker:
    """The environment of a build whose engine processes misbehave; see ``bad_worker.py``."""

    def environment(mode: str, **settings: object) -> dict[str, str]:
        script = tmp_path / "bad-worker"
        body = Path(__file__).with_name("bad_worker.py").read_text()
        script.write_text(f"#!{sys.executable}\n{body}")
        script.chmod(0o755)
        if settings.pop("once", False):
            settings["once"] = str(tmp_path / "tried")
            Path(settings["once"]).mkdir(exist_ok=True)
        about = {"mode": mode, "worker": str(worker_path()), **settings}
        return {**os.environ, "TEXGEN_WORKER": str(script), "BAD_WORKER": json.dumps(about)}

    return environment


@pytest.fixture(scope="session")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 photographs in two classes."""
    return make_source(tmp_path_factory.mktemp("forty") / "train", {"ant": 20, "bee": 20})


SMALL = ("--engine", "stub", "--size", 32, "--samples-per-shard", 5, "--workers", 2)


@pytest.fixture(scope="session")
def undisturbed(forty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of ``forty`` to which nothing happened."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    arguments = command("build", "--src", forty, "--out", out, *SMALL, "--no-ray", "--quiet")
    subprocess.run(arguments, check=True, timeout=120)
    return out


@pytest.fixture
def started(
    forty: Path, tmp_path: Path, bad_worker: BadWorker
) -> Iterator[Callable[..., tuple[subprocess.Popen[str], Path]]]:
    """Starts a slow build in a group of its own, and waits until it is in the middle."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: object) -> tuple[subprocess.Popen[str], Path]:
        out = tmp_path / "out"
        process = subprocess.Popen(
            command("build", "--src", forty, "--out", out, *SMALL, *options),
            env=bad_worker("slow", seconds=0.15),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        wait_until(lambda: in_the_middle(out), process)
        return process, out

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def in_the_middle(out: Path) -> bool:
    """At least one shard is finished and another has begun."""
    finished = list(out.glob("_build/records/*"))
    begun = list(out.glob("_build/tmp/*.part"))
    return bool(finished and begun)


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 90
) -> None:
    """Waits for a state of the disk or of processes, not for a time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def goes_on(forty: Path, texgen: Texgen) -> Callable[[Path], None]:
    """Runs the same build again, to its end."""

    def run(out: Path) -> None:
        result = texgen("build", "--src", forty, "--out", out, *SMALL, "--no-ray", "--quiet")
        assert result.returncode == 0, result.stderr

    return run
