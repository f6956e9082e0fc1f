from __future__ import annotations

import os
from pathlib import Path

import pytest

from texgen.cli.output_files import check_not_read, check_target, write_file
from texgen.core.errors import ConfigError, StorageError


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
