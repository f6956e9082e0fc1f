from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import texgen
from texgen.core import identity
from texgen.core.identity import code_identity, version
from texgen.synthesis import EngineSpec
from texgen.synthesis.process import running_engine

ASK = "from texgen.core.identity import code_identity; print(code_identity())"


def asked(folder: Path) -> str:
    """The identity of the texgen below a folder."""
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_changed_line_is_another_code_and_what_others_leave_there_is_none(tmp_path):
    shutil.copytree(Path(texgen.__file__).parent, tmp_path / "texgen")
    (tmp_path / "texgen" / "seeds.py.orig").write_text("left by an editor")
    assert asked(tmp_path) == str(code_identity())
    with (tmp_path / "texgen" / "source" / "labels" / "imagenet100.txt").open("a") as file:
        file.write("n0\n")
    other = asked(tmp_path)
    assert other != str(code_identity())
    assert other.startswith(f"texgen {texgen.__version__} (code ")


def test_a_checkout_that_is_not_installed_has_a_version_that_says_so(monkeypatch):
    monkeypatch.setattr(identity, "DISTRIBUTION", "texgen-that-nobody-installed")
    assert version.__wrapped__() == "0+uninstalled"


def test_all_parts_have_the_version_of_the_rust_workspace() -> None:
    root = Path(__file__).parents[2]
    line = next(
        line
        for line in (root / "rust_bridge/Cargo.toml").read_text().splitlines()
        if line.startswith("version = ")
    )
    with running_engine(EngineSpec("stub")) as process:
        versions = {texgen.__version__, code_identity().version, process.hello.worker}
    assert versions == {line.split('"')[1]}
