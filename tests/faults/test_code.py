"""Every process of a build runs the command's own texgen, whatever the current folder holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import texgen as package
from tests.conftest import Texgen, command, tree
from tests.faults.nodes import Build, Nodes, made

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

OPTIONS = ("--engine", "stub", "--size", 32, "--samples-per-shard", 2)
INSTALLED = Path(sys.executable).with_name("texgen")

SHADOWS = [
    "types",
    "signal",
    "enum",
    "queue",
    "random",
    "logging",
    "selectors",
    "struct",
    "socket",
    "tempfile",
    "inspect",
    "typing",
    "re",
    "subprocess",
    "threading",
    "contextlib",
    "pickle",
    "io",
    "abc",
    "uuid",
    "hashlib",
    "pathlib",
    "multiprocessing",
    "importlib",
    "numpy",
    "PIL",
    "pyarrow",
    "click",
    "ray",
    "boto3",
    "site",
    "usercustomize",
    "conftest",
    "utils",
    "data",
    "train",
]
"""Names of modules that Python, Ray and texgen import at the start of a process, or later."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with another texgen, and with files named like modules."""
    folder = tmp_path / "elsewhere"
    other_texgen(folder)
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name} of the current folder')\n")
    return folder


def other_texgen(folder: Path) -> Path:
    """A checkout at another commit, which makes other pixels."""
    shutil.copytree(
        Path(package.__file__).parent,
        folder / "texgen",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    images = folder / "texgen" / "core" / "decode.py"
    right = 'return np.asarray(image.convert("RGB"))'
    text = images.read_text()
    assert text.count(right) == 1
    images.write_text(text.replace(right, 'return 255 - np.asarray(image.convert("RGB"))'))
    return folder


@pytest.fixture
def plain(image_source: Path, tmp_path: Path, texgen: Texgen) -> dict[str, bytes]:
    """Files of a build that is started in an empty folder."""
    out = tmp_path / "plain"
    assert (
        texgen("build", "--src", image_source, "--out", out, *OPTIONS, "--no-ray").returncode == 0
    )
    return tree(out)


@pytest.mark.parametrize("runner", [("--no-ray",), ("--workers", "1")], ids=["processes", "ray"])
def test_nothing_is_imported_from_the_current_folder(
    runner: tuple[str, ...], elsewhere: Path, image_source: Path, tmp_path: Path, plain
) -> None:
    out = tmp_path / "out"
    line = [INSTALLED, "build", "--src", image_source, "--out", out, *OPTIONS, *runner, "--quiet"]
    done = subprocess.run(
        [str(word) for word in line], cwd=elsewhere, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(out) == plain


def test_an_empty_element_of_pythonpath_is_no_folder(
    elsewhere: Path, image_source: Path, tmp_path: Path, plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `PYTHONPATH=$PYTHONPATH:lib` has such an empty entry where nothing was set before.
    monkeypatch.setenv("PYTHONPATH", f":{tmp_path}")
    out = tmp_path / "out"
    line = [INSTALLED, "build", "--src", image_source, "--out", out, *OPTIONS, "--no-ray"]
    done = subprocess.run(
        [str(word) for word in line], cwd=elsewhere, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert tree(out) == plain


@pytest.mark.slow
def test_a_module_that_is_run_takes_the_current_folder_for_nothing_else(
    elsewhere: Path, image_source: Path, tmp_path: Path
) -> None:
    # `python -m texgen` in a checkout runs the texgen of the checkout, after Python has started.
    for name in ("types", "contextlib", "importlib", "typing", "re", "enum", "io", "abc"):
        (elsewhere / f"{name}.py").unlink()
    outs = tmp_path / "processes", tmp_path / "ray"
    for out, runner in zip(outs, (("--no-ray",), ("--workers", "1")), strict=True):
        line = command("build", "--src", image_source, "--out", out, *OPTIONS, *runner)
        done = subprocess.run(line, cwd=elsewhere, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
    assert tree(outs[0]) == tree(outs[1])


def test_a_node_with_another_texgen_gets_no_shard(
    image_source: Path, tmp_path: Path, plain: dict[str, bytes]
) -> None:
    nodes, out = Nodes(), tmp_path / "out"
    line = (*OPTIONS, "--ray-address", nodes.address)
    try:
        nodes.add({"PYTHONPATH": str(other_texgen(tmp_path / "other"))}, cpus=2)
        code, _, errors = Build(image_source, out, *line).end()
        assert code == 2
        assert errors.count("\n") == 1
        assert errors.count(f"texgen {package.__version__} (code ") == 2
        assert "install the same texgen on every node" in errors
        assert made(out) == 0
        nodes.add(cpus=1)
        code, summary, errors = Build(image_source, out, *line).end()
    finally:
        nodes.close()
    log = (out / "_build" / "logs" / "build.log").read_text()
    assert (code, summary["failed"]) == (0, 0), errors + log
    # The run without another node reports it once as its error, the other once as a warning.
    assert log.count("it gets no more shards") == 1
    assert "attempt 2" not in log
    assert tree(out) == plain
