"""The wheel and the source distribution, as pip installs them without checkout and Rust."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.docker.bases import CERTIFICATES, debian_with_python
from tests.docker.conftest import OPTIONS, SHARDS
from tests.docker.dockerfile import ROOT
from tests.docker.engine import docker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with what pipelines/wheels.sh makes of this checkout's files."""
    if shutil.which("cargo") is None:
        pytest.skip("no cargo here")
    checkout = tmp_path_factory.mktemp("checkout")
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    script = checkout / "pipelines" / "wheels.sh"
    subprocess.run(["bash", script], check=True, timeout=1200)
    return checkout / "dist"


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_wheel_builds_the_same_data_set_on_a_debian_without_compiler(
    suite: str, dist: Path, data: Path, plain: dict[str, bytes]
) -> None:
    (wheel,) = dist.glob("*.whl")
    shutil.copy(wheel, data)
    script = f"""
        set -e
        ! command -v cc gcc cargo rustc
        python3 -m venv /tmp/venv
        /tmp/venv/bin/pip install --quiet /data/{wheel.name}
        PATH=/tmp/venv/bin:$PATH
        for way in --no-ray ''; do
            texgen build --src /data/images --out /data/out$way {" ".join(OPTIONS)} $way
        done
        texgen verify /data/out --deep --src /data/images
        texgen report /data/out --src /data/images --html /data/report.html
        chmod --recursive a+rwX /data
    """
    image = debian_with_python(suite)
    options = ("--network", "host", "--shm-size", "512m", "--volume", f"{data}:/data")
    options += ("--env", f"PIP_CERT={CERTIFICATES}")
    printed = docker("run", "--rm", *options, image, "bash", "-c", script, timeout_s=1200)
    assert f"{SHARDS} shards" in printed
    assert tree(data / "out") == tree(data / "out--no-ray") == plain
    assert (data / "report.html").stat().st_size > 10_000


def test_the_wheel_asks_for_no_symbol_newer_than_glibc_2_17(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert "manylinux_2_17" in wheel.name
    shutil.unpack_archive(wheel, tmp_path, "zip")
    (worker,) = tmp_path.rglob("texgen-worker")
    symbols = subprocess.check_output(["objdump", "-T", worker], text=True)
    asked = {
        tuple(int(part) for part in word.strip("()").removeprefix("GLIBC_").split("."))
        for word in symbols.split()
        if word.strip("()").startswith("GLIBC_2")
    }
    assert asked
    assert max(asked) <= (2, 17)


def test_the_source_distribution_builds_a_wheel_with_the_same_files(
    dist: Path, tmp_path: Path
) -> None:
    (archive,) = dist.glob("*.tar.gz")
    (wheel,) = dist.glob("*.whl")
    line = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, archive]
    subprocess.run(line, check=True, timeout=1200)
    (own,) = tmp_path.glob("*.whl")
    assert _python_files(own, tmp_path / "own") == _python_files(wheel, tmp_path / "wheel")


def _python_files(wheel: Path, folder: Path) -> dict[str, bytes]:
    shutil.unpack_archive(wheel, folder, "zip")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] == "texgen"
    }
