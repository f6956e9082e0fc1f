"""The folder for temporary files, and what is said where there is none."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from texgen.core.errors import ScratchError, StorageError
from texgen.core.temporary import find_short_folder, short_folder_candidates, temporary_root
from texgen.storage.errors import storage_errors


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose root is read-only: nothing that Python tries takes a file."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])


def test_it_is_where_python_makes_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temporary_root() == tmp_path


@pytest.mark.usefixtures("nowhere")
def test_where_there_is_none_it_is_said_what_to_type() -> None:
    with pytest.raises(ScratchError, match=r"set TMPDIR .*docker run --tmpfs /tmp"):
        temporary_root()


@pytest.mark.usefixtures("nowhere")
def test_what_the_system_says_of_out_is_not_lost_where_there_is_none(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"cannot write to .*: Read-only file system; mount it"),
        storage_errors("write to", tmp_path / "out"),
    ):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.fixture
def two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A long TMPDIR and a short XDG_RUNTIME_DIR."""
    long, short = tmp_path / ("d" * 50), tmp_path / "s"
    long.mkdir()
    short.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    return long, short


def test_a_short_folder_is_the_first_that_fits(two_folders: tuple[Path, Path]) -> None:
    long, short = two_folders
    assert list(short_folder_candidates())[:3] == [str(long), str(short), "/tmp"]
    assert find_short_folder(len(str(long))) == long
    assert find_short_folder(len(str(long)) - 1) == short
    assert find_short_folder(0) is None


def test_a_folder_that_is_missing_or_full_is_not_taken(two_folders: tuple[Path, Path]) -> None:
    long, short = two_folders
    long.rmdir()
    assert find_short_folder(len(str(long))) == short
    assert find_short_folder(200, free_bytes=1 << 62) is None
