"""Fixtures: photographs, small builds, and a check that nothing is left behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from PIL import Image

from texgen.synthesize.api import close_pools

if TYPE_CHECKING:
    from tests.store import Store

MINI = Path(__file__).parents[2] / "shared" / "data" / "imagenet-mini"

# The driver of a local test cluster, and its tasks, talk over loopback only.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
# Servers of tests are on this machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"

# Inherited by every process of this run, so that others' engines are not taken for ours.
RUN = "TEXGEN_TEST_RUN"
os.environ[RUN] = uuid.uuid4().hex


# Indexes of archives that tests make are nobody's business later.
_CACHE = tempfile.TemporaryDirectory(prefix="texgen-test-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name


def pytest_unconfigure() -> None:
    """Ends processes that tests have forked and that hang.

    A fork of a process with threads may find a lock taken for good. Python waits for its children
    at its end, and the whole run would not end.
    """
    for child in multiprocessing.active_children():
        print(f"killed at the end of the tests: {child}", file=sys.stderr)
        child.kill()


@pytest.fixture(scope="session")
def imagenet_mini() -> Path:
    """200 + 40 ImageNet photographs; they are not part of the project."""
    if not MINI.is_dir():
        pytest.skip("the ImageNet photographs are not here")
    return MINI


def photograph(seed: int, size: tuple[int, int] = (120, 110)) -> Image.Image:
    """A smooth picture with edges and noise, different for each ``seed``."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    noise = rng.integers(-12, 13, smooth.shape)
    return Image.fromarray(np.clip(smooth.astype(int) + noise, 0, 255).astype(np.uint8))


def make_source(root: Path, classes: dict[str, int], size: tuple[int, int] = (120, 110)) -> Path:
    """A split folder with the given number of photographs in each class."""
    seed = 0
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            photograph(seed, size).save(root / name / f"{name}_{index:03d}.JPEG", quality=90)
            seed += 1
    return root


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits: train with three classes and 21 photographs, val with two and 5."""
    root = tmp_path_factory.mktemp("photographs")
    make_source(root / "train", {"ant": 8, "bee": 7, "cat": 6})
    make_source(root / "val", {"ant": 3, "bee": 2})
    return root


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of a store on loopback, one for all tests."""
    # Only where it is used: it takes seconds to import.
    from tests.store import running_server

    with running_server() as url:
        yield url


@pytest.fixture
def s3(
    s3_server: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A bucket of its own, which the environment leads to, and a scratch of its own."""
    from tests.store import ENVIRONMENT, Store
    from texgen.s3 import client

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": s3_server}.items():
        monkeypatch.setenv(name, value)
    # pytest settles where its own files go when it is first asked: not in the scratch.
    tmp_path_factory.getbasetemp()
    # Nor the scratch among them: Ray makes sockets there, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True) as scratch:
        monkeypatch.setenv("TMPDIR", scratch)
        monkeypatch.setattr(tempfile, "tempdir", scratch)
        client._forget()
        yield Store(s3_server)
        client._forget()


Texgen = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: object) -> list[str]:
    """The command line of ``texgen`` in this environment."""
    return [sys.executable, "-m", "texgen", *map(str, arguments)]


@pytest.fixture
def texgen() -> Texgen:
    """Runs the command line in a process of its own, as a user does."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        given = {"capture_output": True, "text": True, "timeout": 300, **options}
        return subprocess.run(command(*arguments), check=False, **given)

    return run


def texgen_processes() -> set[int]:
    """Engine processes of this test run."""
    found = set()
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == "texgen-worker" and process.status() != "zombie":
                ours = process.environ().get(RUN) == os.environ[RUN]
                found |= {process.pid} if ours else set()
    return found


@pytest.fixture
def no_orphans() -> Iterator[None]:
    """Fails a test after which an engine process is left that was not there before."""
    before = texgen_processes()
    yield
    close_pools()
    left = texgen_processes() - before
    _, alive = psutil.wait_procs([psutil.Process(p) for p in left if psutil.pid_exists(p)], 10)
    assert not alive


def tree(out: Path) -> dict[str, bytes]:
    """The data set's files, without ``_build``."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "_build"
    }
