from __future__ import annotations

import json
from pathlib import Path

import pytest

from texgen.cli.main import run


def test_a_report_is_one_file_and_a_line_about_it(finished, small_source, tmp_path, capsys):
    target = tmp_path / "r.html"
    assert run(["report", str(finished), "--html", str(target), "--src", str(small_source)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"{target}: ")
    assert captured.out.endswith("12 textures shown\n")
    assert target.read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_json_tells_what_was_written(finished, tmp_path, capsys):
    target = tmp_path / "r.html"
    given = ["report", str(finished), "--html", str(target), "--count", "3", "--json"]
    assert run(given) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["bytes"] == target.stat().st_size
    assert (about["shown"], about["missing"], about["html"]) == (3, 0, str(target))


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ([], 2, "--html"),
        (["--html", "r.txt"], 2, "must end in .html, .htm"),
        (["--html", "folder.html"], 2, "is a folder"),
        (["--html", "none/r.html"], 2, "make it"),
        (["--html", "{out}/r.html"], 2, "lies inside OUT"),
        (["--html", "{src}/r.html", "--src", "{src}"], 2, "lies inside --src"),
        (["--html", "r.html", "--src", "nowhere"], 2, "nowhere: no such file or folder"),
        (["--html", "r.html", "--src", "folder.html"], 2, "--src has none of the 12 images"),
        (["--html", "r.html", "--count", "0"], 2, "--count"),
    ],
)
def test_what_cannot_be_is_one_line(
    finished, small_source, tmp_path, monkeypatch, capsys, more, code, says
):
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    more = [argument.format(out=finished, src=small_source) for argument in more]
    assert run(["report", str(finished), *more]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert not Path("r.html").exists()


def test_no_data_set_is_one_line(tmp_path, capsys):
    assert run(["report", str(tmp_path / "none"), "--html", str(tmp_path / "r.html")]) == 1
    assert "no finished data set" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
