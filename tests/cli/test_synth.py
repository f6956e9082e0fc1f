from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import synthetic_image
from texgen.cli import synth
from texgen.cli.main import run
from texgen.core.config import sample_timeout_s
from texgen.synthesis import EnginePool


@pytest.fixture(autouse=True)
def patch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the temporary folder, with a patch in it, the current one."""
    monkeypatch.chdir(tmp_path)
    synthetic_image(0, (40, 40)).save("patch.png")
    return tmp_path / "patch.png"


def made(*arguments: str, out: str = "out.png") -> int:
    return run(["synth", *arguments, "--out", out, "--engine", "stub", "--size", "32"])


@pytest.mark.parametrize("name", ["out.png", "out.webp", "out.jpg", "OUT.JPEG"])
def test_the_name_says_the_format(name):
    assert made("patch.png", out=name) == 0
    assert Image.open(name).size == (32, 32)
    assert sorted(path.name for path in Path().iterdir()) == sorted([name, "patch.png"])


def test_a_home_folder_is_found_in_every_name(patch, monkeypatch):
    monkeypatch.setenv("HOME", str(patch.parent))
    assert made("~/patch.png", out="~/out.png") == 0
    assert Path("out.png").is_file()


@pytest.mark.parametrize(
    ("patches", "out", "says"),
    [
        (["missing.png"], "out.png", "missing.png: No such file"),
        (["."], "out.png", ": Is a directory"),
        (["text.png"], "out.png", "text.png: image_unreadable"),
        (["patch.png"] * 256, "out.png", "256 patches; give 255 at most"),
        (["patch.png"], "patch.png/out.png", "--out"),
        (["patch.png"], "none/out.png", "none; make it"),
        (["patch.png"], "folder.png", "is a folder"),
        (["patch.png"], "./patch.png", "patch.png, which is read; name another"),
        (["patch.png"], "n" * 252 + ".png", "too long"),
    ],
)
def test_what_cannot_be_is_one_line_and_2_before_any_work(capsys, monkeypatch, patches, out, says):
    Path("text.png").write_text("text")
    Path("folder.png").mkdir()
    monkeypatch.setattr(synth, "EnginePool", None)
    assert made(*patches, out=out) == 2
    text = capsys.readouterr().err
    assert says in text
    assert text.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line_and_leaves_nothing(capsys, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "unlink", full)
    assert made("patch.png") == 1
    text = capsys.readouterr().err
    assert "out.png: No space left on device" in text
    assert text.count("\n") == 1


def test_the_most_patches_make_a_texture():
    assert made(*["patch.png"] * 255) == 0


@pytest.mark.parametrize("size", [16, 224, 448, 1024])
def test_the_time_allowed_grows_with_the_area(monkeypatch, size):
    given: list[float] = []

    class Pool(EnginePool):
        def __init__(self, *arguments: object, timeout_s: float) -> None:
            super().__init__(*arguments, timeout_s=timeout_s)
            given.append(timeout_s)

    monkeypatch.setattr(synth, "EnginePool", Pool)
    assert (
        run(["synth", "patch.png", "--out", "o.png", "--engine", "stub", "--size", str(size)]) == 0
    )
    assert given == [sample_timeout_s(size)]
    assert given[0] == pytest.approx(120 * max(1, (size / 224) ** 2))


def test_a_wide_patch_is_read_rows_first():
    Image.fromarray(np.zeros((3, 50, 3), np.uint8)).save("wide.png")
    assert synth._read(Path("wide.png")).shape == (3, 50, 3)
