"""Printed results, also where nobody reads them, and files for people."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import command, make_source
from texgen.cli.main import run
from texgen.cli.output import (
    check_folder,
    check_not_read,
    check_target,
    first_lines,
    print_lines,
    print_result,
    write_file,
)
from texgen.core.errors import ConfigError, StorageError


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
    print_lines("a\nb", "\x1b[31mred \udcff é")
    assert capsys.readouterr().out == "a\\nb\n\\x1b[31mred \\xff é\n"


def test_names_of_failed_images_and_their_log_are_escaped(tmp_path, capsys):
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


def test_a_result_is_printed_as_json_or_for_people(capsys):
    for as_json in (True, False):
        print_result({"shards": 2, "name": "é"}, ["2 shards: é"], as_json=as_json)
    assert capsys.readouterr().out == '{"shards": 2, "name": "\\u00e9"}\n2 shards: é\n'


@pytest.mark.parametrize(
    ("items", "lines"),
    [
        ([], []),
        (["a", "b"], ["- a", "- b"]),
        (["a", "b", "c", "d"], ["- a", "- b", "  … and 2 more; --json lists them all"]),
    ],
)
def test_a_list_that_is_cut_off_says_how_much_is_left_out(items, lines):
    assert list(first_lines(items, 2, "- {}".format)) == lines


def test_a_data_set_is_copied_neither_into_itself_nor_to_a_url(places):
    out = places["OUT"]
    check_folder("--to", f"{out}2", "export", out)
    check_folder("--to", out, "export", None)
    for inside in (out, f"{out}/train/x", f"{out}/../link/x"):
        with pytest.raises(ConfigError, match=r"--to .* lies inside the data set"):
            check_folder("--to", inside, "export", out)
    with pytest.raises(ConfigError, match="--to s3://b/x is a URL; name a folder to export to"):
        check_folder("--to", "s3://b/x", "export", out)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    for name in ("out", "out/train", "src", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("out/train")
    (tmp_path / "leads-in.png").symlink_to("out/x.png")
    os.mkfifo(tmp_path / "pipe.png")
    return {"OUT": str(tmp_path / "out"), "--src": str(tmp_path / "src")}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("out", "must end in .png"),
        ("x.jpg", "must end in .png"),
        ("missing/x.png", "there is no folder .*missing; make it"),
        ("out/x.png", "lies inside OUT; name a file elsewhere"),
        ("out/train/x.png", "lies inside OUT"),
        ("link/x.png", "lies inside OUT"),
        ("leads-in.png", "lies inside OUT"),
        ("src/x.png", "lies inside --src"),
        ("pipe.png", "is not a regular file; name another"),
    ],
)
def test_a_target_that_must_not_be_written_is_refused(tmp_path, places, name, says):
    with pytest.raises(ConfigError, match=f"--sheet .*{says}"):
        check_target("--sheet", tmp_path / name, [".png"], places)


def test_a_folder_is_no_file_whatever_its_name(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(ConfigError, match="is a folder; name a file"):
        check_target("--sheet", tmp_path / "x.png", [".png"])


def test_a_target_elsewhere_is_fine_and_may_be_there(tmp_path, places):
    target = tmp_path / "elsewhere" / "X.PNG"
    for data in (b"first", b"second"):
        check_target("--sheet", target, [".png"], {**places, "--src": None})
        write_file(target, data)
        assert target.read_bytes() == data
    assert os.listdir(target.parent) == ["X.PNG"]  # noqa: PTH208


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match=r"cannot write .*x.png: No space left"):
        write_file(tmp_path / "x.png", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_read_is_not_written_over_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "a.png"
    target.write_bytes(b"read")
    (tmp_path / "hard.png").hardlink_to(target)
    (tmp_path / "soft.png").symlink_to("a.png")
    for name in ("a.png", "./a.png", "hard.png", "soft.png", str(target)):
        with pytest.raises(ConfigError, match=r"--out .* is the file .*, which is read"):
            check_not_read("--out", Path(name), ["none.png", "val", "a.png"])
    check_not_read("--out", tmp_path / "new.png", [target, "new.png"])
