"""Results that nobody takes."""

import os
import subprocess

import pytest

from tests.conftest import command, make_source
from texgen.cli.main import run


@pytest.fixture
def finished(tmp_path):
    source, out = make_source(tmp_path / "src", {"ant": 2}), tmp_path / "out"
    options = ["--size", "16", "--engine", "stub", "--no-ray", "--quiet"]
    assert run(["build", "--src", str(source), "--out", str(out), *options]) == 0
    return out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_full_standard_output_is_named_as_such(finished):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command("verify", finished), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.startswith("texgen: standard output cannot be written (No space left")
    assert done.stderr.count("\n") == 1


def closed_pipe():
    read, write = os.pipe()
    os.close(read)
    return write


def test_a_closed_pipe_is_not_taken_for_a_fault_found(finished):
    pipe = closed_pipe()
    done = subprocess.run(
        command("verify", finished), stdout=pipe, stderr=subprocess.PIPE, timeout=60
    )
    os.close(pipe)
    assert done.returncode == 141
    assert done.stderr == b""


def test_a_build_goes_on_when_nobody_reads_its_progress(tmp_path):
    source, out = make_source(tmp_path / "src", {"ant": 2}), tmp_path / "out"
    arguments = ["build", "--src", source, "--out", out, "--size", "16", "--engine", "stub"]
    pipe = closed_pipe()
    done = subprocess.run(
        command(*arguments, "--no-ray"), stdout=subprocess.DEVNULL, stderr=pipe, timeout=60
    )
    os.close(pipe)
    assert done.returncode == 0
    assert (out / "index.json").exists()
