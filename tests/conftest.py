"""Fixtures: images, small builds, and a check that no process is left behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from hypothesis import settings
from PIL import Image

from tests.support.builds import request
from tests.support.proxy import Proxy
from texgen.build import SilentMonitor, build
from texgen.core.errors import EngineStartError
from texgen.synthesis import EngineSpec
from texgen.synthesis.process import running_engine
from texgen.synthesis.shared_pools import close_pools

if TYPE_CHECKING:
    from tests.support.store import Store
    from texgen.storage import Sink

MINI = Path(__file__).parents[2] / "shared" / "data" / "imagenet-mini"

# The driver of a local test cluster and its tasks talk over loopback only.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
# Servers of tests run on this machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"

# The time of an example depends on the machine more than on the code.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")

# Every process of this run inherits it, so that engines of other runs are told apart.
RUN = "TEXGEN_TEST_RUN"
os.environ[RUN] = uuid.uuid4().hex


# Indexes of archives that tests create are not kept.
_CACHE = tempfile.TemporaryDirectory(prefix="texgen-test-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name


WHOLE = tuple(
    Path(__file__).parent / name for name in ("docker", "faults", "pipelines", "site", "slurm")
)
"""Folders whose tests run whole builds, clusters and containers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests of whole systems, of which only two run at a time."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in WHOLE):
            item.add_marker("whole")


def pytest_unconfigure() -> None:
    """Kills processes that tests have forked and that hang.

    A fork of a process with threads may find a lock taken for good. Python waits for its children
    at its end, and the whole run would not end.
    """
    for child in multiprocessing.active_children():
        print(f"killed at the end of the tests: {child}", file=sys.stderr)
        child.kill()


@pytest.fixture(scope="session")
def imagenet_mini() -> Path:
    """200 + 40 images of ImageNet; they are not part of the project."""
    if not MINI.is_dir():
        pytest.skip("the ImageNet images are not here")
    return MINI


@pytest.fixture(scope="session")
def gpu() -> str:
    """Name of the GPU of this machine; one that a processor plays will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXGEN_SOFTWARE_GPU", "1")
        try:
            with running_engine(EngineSpec("fast", device="gpu")) as process:
                assert process.hello.device is not None
                assert process.hello.capacity > 1
                return process.hello.device
        except EngineStartError as error:
            if "no GPU" not in str(error):
                raise
            pytest.skip("no Vulkan device; mesa-vulkan-drivers has a software one")


@pytest.fixture
def hugging_face_datasets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Hugging Face's `datasets`, which asks no server."""
    import datasets
    from huggingface_hub import constants

    # Not the variable: both read it once, so that it would hold for all later tests.
    for settings_of in (constants, datasets.config):
        monkeypatch.setattr(settings_of, "HF_HUB_OFFLINE", True)
    return datasets


def synthetic_image(seed: int, size: tuple[int, int] = (120, 110)) -> Image.Image:
    """Creates a smooth image with edges and noise, different for each ``seed``."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))
    noise = rng.integers(-12, 13, smooth.shape)
    return Image.fromarray(np.clip(smooth.astype(int) + noise, 0, 255).astype(np.uint8))


def make_source(root: Path, classes: dict[str, int], size: tuple[int, int] = (120, 110)) -> Path:
    """Creates a split folder with the given number of images in each class."""
    seed = 0
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            synthetic_image(seed, size).save(root / name / f"{name}_{index:03d}.JPEG", quality=90)
            seed += 1
    return root


@pytest.fixture(scope="session")
def image_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits: train with three classes and 21 images, val with two classes and 5 images."""
    root = tmp_path_factory.mktemp("images")
    make_source(root / "train", {"ant": 8, "bee": 7, "cat": 6})
    make_source(root / "val", {"ant": 3, "bee": 2})
    return root


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of an S3 server on loopback, one for all tests."""
    # Imported where it is used: it takes seconds.
    from tests.support.store import running_server

    with running_server() as url:
        yield url


@pytest.fixture
def s3(
    s3_server: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A bucket to which the environment points, and a scratch folder for the test."""
    from tests.support.store import ENVIRONMENT, Store
    from texgen.storage.s3 import client

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": s3_server}.items():
        monkeypatch.setenv(name, value)
    # pytest chooses the folder of its own files at the first call: it must not lie in the scratch.
    tmp_path_factory.getbasetemp()
    # The scratch must not lie there either: Ray creates sockets in it, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True) as scratch:
        monkeypatch.setenv("TMPDIR", scratch)
        monkeypatch.setattr(tempfile, "tempdir", scratch)
        client._forget()
        yield Store(s3_server)
        client._forget()


Texgen = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: object) -> list[str]:
    """Command line of ``texgen`` in this environment."""
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
    """Fails a test that leaves an engine process behind."""
    before = texgen_processes()
    yield
    close_pools()
    left = texgen_processes() - before
    _, alive = psutil.wait_procs([psutil.Process(p) for p in left if psutil.pid_exists(p)], 10)
    assert not alive


def tree(out: Path) -> dict[str, bytes]:
    """Files of the data set, without ``_build``."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "_build"
    }


def built(src: Path, out: Path, *options: object) -> dict[str, bytes]:
    """Files of a build in plain processes, which other builds are compared with."""
    line = command("build", "--src", src, "--out", out, *options, "--no-ray", "--quiet")
    subprocess.run(line, check=True, timeout=200)
    return tree(out)


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits; one image cannot be read, one has a key of over 100 characters."""
    root = tmp_path_factory.mktemp("source")
    make_source(root / "train", {"ant": 3, "bee": 2}, (50, 40))
    make_source(root / "val", {"ant": 1}, (20, 12))
    (root / "train" / "ant" / "broken.jpg").write_bytes(b"no photograph")
    whole = root / "train" / "bee" / "bee_000.JPEG"
    whole.rename(whole.with_name("b" * 120 + ".JPEG"))
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_source: Path) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    build(request(small_source, out), SilentMonitor())
    return out


@pytest.fixture
def out(tmp_path: Path, finished: Path) -> Path:
    """A copy of the finished data set that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture
def sink(s3: Store) -> Sink:
    """OUT in a bucket."""
    from texgen.storage import Sink

    return Sink(f"s3://{s3.bucket}/out")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replaces the pauses between tries; returns the list of pauses that were requested."""
    from texgen.storage.s3 import retry

    pauses: list[int] = []
    monkeypatch.setattr(retry, "_pause", pauses.append)
    return pauses


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Removes network settings and pauses; returns the list of pauses that were requested."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE") or "SSL_CERT" in name:
            monkeypatch.delenv(name)
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


@pytest.fixture
def proxied(s3: Store, hurried: list[int]) -> Iterator[tuple[Sink, Proxy]]:
    """A sink behind a proxy."""
    from texgen.storage import Sink

    with Proxy(s3.endpoint) as proxy:
        yield Sink(f"s3://{s3.bucket}/out", None, proxy.url), proxy


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Content of a file that is uploaded in parts."""
    from texgen.storage.s3 import upload

    monkeypatch.setattr(upload, "MULTIPART_BYTES", 1 << 20)
    monkeypatch.setattr(upload, "_PART_BYTES", 5 << 20)
    return bytes(range(256)) * (6 << 12)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium without a window."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium here: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[dev]'")
    with sync.sync_playwright() as playwright:
        # Root, as in most containers, has no sandbox; the pages are our own.
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()
