"""Fixtures: misbehaving engine processes, builds that are struck at a known moment, disks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, make_source
from tests.faults.matrix import PLAIN, SHARDS, Disk, Matrix, MemoryDisk, Moment, can_mount
from tests.faults.table import FaultTable
from texgen.synthesis.engine_spec import worker_path

BadWorker = Callable[..., dict[str, str]]

MANY = 10**6
_TABLE = pytest.StashKey[FaultTable]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-table", metavar="FILE", help="bring the table of faults in this file up to date"
    )
    parser.addoption(
        "--fault-moments",
        metavar="N",
        type=int,
        default=MANY,
        help="strike at no more than N moments, evenly spread, where slow tests take all",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = FaultTable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := session.config.getoption("fault_table", None):
        session.config.stash[_TABLE].save(Path(path))


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> FaultTable:
    """The table of faults of this run."""
    return pytestconfig.stash.setdefault(_TABLE, FaultTable())


@pytest.fixture(scope="session")
def many(pytestconfig: pytest.Config) -> int:
    """Largest number of moments at which a slow test strikes."""
    return pytestconfig.getoption("fault_moments", MANY)


@pytest.fixture(scope="session")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source with two splits, which give three small shards."""
    root = tmp_path_factory.mktemp("seven")
    make_source(root / "train", {"ant": 3, "bee": 2})
    make_source(root / "val", {"ant": 1, "bee": 1})
    return root


@pytest.fixture(scope="session")
def seven_undisturbed(seven: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed build of ``seven``."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    subprocess.run(command("build", "--src", seven, "--out", out, *PLAIN), check=True, timeout=120)
    return out


@pytest.fixture(scope="session")
def moments(
    seven: Path, seven_undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Moment]:
    """All moments of a build of ``seven`` in plain processes."""
    return Matrix(seven, seven_undisturbed, tmp_path_factory.mktemp("moments")).moments()


@pytest.fixture(scope="session")
def moments_on_ray(
    seven: Path, seven_undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Moment]:
    """All moments of a build of ``seven`` on a local Ray."""
    return Matrix(seven, seven_undisturbed, tmp_path_factory.mktemp("ray")).moments(*SHARDS)


@pytest.fixture
def matrix(seven: Path, seven_undisturbed: Path, tmp_path: Path) -> Matrix:
    """Strikes builds of ``seven``."""
    return Matrix(seven, seven_undisturbed, tmp_path)


AnyDisk = Disk | MemoryDisk
Disks = Callable[..., AnyDisk]


@pytest.fixture
def disks() -> Iterator[Disks]:
    """Mounts separate disks in folders, and unmounts them after the test."""
    if not can_mount():
        pytest.skip("no disk can be made and mounted here")
    made: list[AnyDisk] = []

    def make(kind: type[AnyDisk], folder: Path, *arguments: int) -> AnyDisk:
        try:
            made.append(kind(folder, *arguments))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no disk can be made and mounted here: {error.stderr or error}")
        return made[-1]

    yield make
    for disk in made:
        disk.close()


DISK_KB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs"]
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if not mount or subprocess.run([mount, *options, place], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run([unmount, "--lazy", place], check=True)


@pytest.fixture
def bad_worker(tmp_path: Path) -> BadWorker:
    """The environment of a build whose engine processes misbehave; see ``bad_worker.py``."""

    def environment(mode: str, **settings: object) -> dict[str, str]:
        script = tmp_path / "bad-worker"
        body = Path(__file__).with_name("bad_worker.py").read_text()
        script.write_text(f"#!{sys.executable}\n{body}")
        script.chmod(0o755)
        for name, place in (("once", "tried"), ("starts", "starts")):
            if folder := settings.pop(name, False):
                # True means one folder for all builds of a test.
                settings[name] = str(tmp_path / place if folder is True else folder)
                Path(settings[name]).mkdir(exist_ok=True)
        about = {"mode": mode, "worker": str(worker_path()), **settings}
        return {**os.environ, "TEXGEN_WORKER": str(script), "BAD_WORKER": json.dumps(about)}

    return environment


@pytest.fixture(scope="session")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images in two classes."""
    return make_source(tmp_path_factory.mktemp("forty") / "train", {"ant": 20, "bee": 20})


SMALL = ("--engine", "stub", "--size", 32, "--samples-per-shard", 5, "--workers", 2)


@pytest.fixture(scope="session")
def undisturbed(forty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed build of ``forty``."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    arguments = command("build", "--src", forty, "--out", out, *SMALL, "--no-ray", "--quiet")
    subprocess.run(arguments, check=True, timeout=120)
    return out


@pytest.fixture
def started(
    forty: Path, tmp_path: Path, bad_worker: BadWorker
) -> Iterator[Callable[..., tuple[subprocess.Popen[str], Path]]]:
    """Starts a slow build in a new process group, and waits until it is in the middle."""
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
    """Whether at least one shard is finished and another has begun."""
    finished = list(out.glob("_build/records/*"))
    begun = list(out.glob("_build/tmp/*.part"))
    return bool(finished and begun)


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 90
) -> None:
    """Waits for a state of the disk or of processes, instead of a fixed time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def goes_on(forty: Path, texgen: Texgen) -> Callable[[Path], None]:
    """Resumes the same build and runs it to its end."""

    def run(out: Path) -> None:
        result = texgen("build", "--src", forty, "--out", out, *SMALL, "--no-ray", "--quiet")
        assert result.returncode == 0, result.stderr

    return run
