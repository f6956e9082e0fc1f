"""Results that nobody takes."""

import os
import subprocess

import pytest

from tests.conftest import command, make_source
from texgen.cli.main import run
from texgen.cli.output import print_result


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


def test_every_line_of_a_result_prints_whatever_names_it_holds(capsys):
    print_result("a\nb", "\x1b[31mred \udcff é")
    assert capsys.readouterr().out == "a\\nb\n\\x1b[31mred \\xff é\n"


def test_names_of_failed_photographs_and_their_log_are_escaped(tmp_path, capsys):
    (tmp_path / "src" / "a\nb").mkdir(parents=True)
    (tmp_path / "src" / "a\nb" / "\x1b]0;x\x07.jpg").write_bytes(b"bad")
    arguments = ["--size", "16", "--engine", "stub", "--no-ray", "--max-failures", "100%"]
    out = tmp_path / "out"
    assert run(["build", "--src", str(tmp_path / "src"), "--out", str(out), *arguments]) == 0
    assert r"for example a\nb/\x1b]0;x\x07.jpg" in capsys.readouterr().out
    (warning,) = (
        line for line in (out / "_build/logs/build.log").read_text().splitlines() if "0;x" in line
    )
    assert r"WARNING a\nb/\x1b]0;x\x07.jpg: image_unreadable" in warning


def test_a_terminal_that_lacks_a_character_gets_it_escaped(finished):
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    (name := finished.with_name("写真")).symlink_to(finished)
    done = subprocess.run(command("status", name), capture_output=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u5199\u771f: finished" in done.stdout
