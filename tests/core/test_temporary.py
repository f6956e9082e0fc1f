"""The folder for temporary files, and what is said where there is none."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from texgen.core.errors import ScratchError, StorageError
from texgen.core.temporary import temporary_root
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
