from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from texgen.core import launch
from texgen.core.launch import drop_empty_elements, python_command


def test_a_child_runs_this_texgen_and_looks_where_this_process_does(tmp_path, monkeypatch):
    (tmp_path / "texgen").mkdir()
    (tmp_path / "texgen" / "__init__.py").write_text("raise RuntimeError('another texgen')")
    (tmp_path / "types.py").write_text("raise RuntimeError('no module of Python')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    code = "import json, texgen; print(json.dumps([sys.path, texgen.__file__, sys.argv[1:]]))"
    done = subprocess.run(
        [*python_command(code), "a", "b"], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    path, file, words = json.loads(done.stdout)
    assert path == [folder for folder in sys.path if folder]
    assert file == launch.package_file()
    assert words == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "left", "stays"),
    [
        (None, None, True),  # not set: nothing of it is on the path
        ("", "", True),
        ("/a", "/a", True),
        (":/a", "/a", False),
        ("/a:", "/a", False),
        (":", "", False),
        ("/a::.", "/a:.", True),  # named, so it is wanted
    ],
)
def test_an_empty_element_of_pythonpath_goes_and_a_folder_that_is_named_stays(
    given, left, stays, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "/lib"])
    if given is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", given)
    drop_empty_elements()
    assert os.environ.get("PYTHONPATH") == left
    assert (str(tmp_path) in sys.path) == stays
    assert "/lib" in sys.path
