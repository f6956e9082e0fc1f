"""Whose files OUT may hold, and how much space a build needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builds import planned
from texgen.build.checks import check_contents, check_space
from texgen.core.errors import ConfigError
from texgen.storage import Sink


def test_a_folder_with_foreign_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        check_contents(Sink(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_a_missing_and_a_begun_folder_are_taken(tmp_path):
    check_contents(Sink(tmp_path))
    check_contents(Sink(tmp_path / "missing"))
    (tmp_path / "_build").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError):
        check_contents(Sink(tmp_path))
    (tmp_path / "_build" / "lock").touch()
    check_contents(Sink(tmp_path))


class Full(Sink):
    """A disk with ``free`` bytes."""

    def __init__(self, root: Path, free: int | None) -> None:
        super().__init__(root)
        self.free = free

    def free_bytes(self) -> int | None:
        return self.free


def test_a_build_that_does_not_fit_the_disk_is_refused(out, small_source):
    plan = planned(small_source, out)
    with pytest.raises(ConfigError, match=r"14 textures.*make room"):
        check_space(plan, 14, Full(out, 14 * 16 * 16))
    with pytest.raises(ConfigError, match=r"4\.6 kB free.* need about [\d.]+ kB"):
        check_space(plan, 14, Full(out, 4600))
    check_space(plan, 14, Full(out, 1 << 30))
    check_space(plan, 14, Full(out, None))
    check_space(plan, 0, Full(out, 0))


class Elsewhere(Full):
    """A bucket: it has no limit, and ``free`` bytes are left where shards are made."""

    def free_bytes(self) -> int | None:
        return None

    def free_scratch_bytes(self) -> int | None:
        return self.free


def test_shards_in_the_making_must_fit_this_machine(out, small_source):
    plan = planned(small_source, out)
    check_space(plan, 14, Elsewhere(out, 40_000), workers=2)
    with pytest.raises(ConfigError, match=r"unfinished shards has .* set TMPDIR"):
        check_space(plan, 14, Elsewhere(out, 10_000), workers=2)
