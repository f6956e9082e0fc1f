"""An OUT that is full, or without permission to write or list."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, tree
from tests.faults.conftest import DISK_KB, SMALL

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]


def test_a_full_disk_is_one_line_with_a_mend_wherever_it_strikes(
    disk: Path, forty: Path, undisturbed: Path, texgen: Texgen
) -> None:
    arguments = ("build", "--src", forty, "--out", disk / "out", *SMALL, "--no-ray", "--quiet")
    fill = disk / "fill"
    codes = set()
    for free_kb in (0, 4, 8, 16, 24, 120, 240, 300, 340):
        fill.unlink(missing_ok=True)
        shutil.rmtree(disk / "out", ignore_errors=True)
        with fill.open("wb") as file:
            file.write(bytes((DISK_KB - free_kb) * 1024))
        result = texgen(*arguments)
        codes.add(result.returncode)
        if result.returncode:
            assert result.stderr.startswith("texgen: "), result.stderr
            assert result.stderr.count("\n") == 1, result.stderr
            assert "unexpected" not in result.stderr
            assert "0.0 " not in result.stderr
    # Exit code 2 before any work; later the build fails and keeps its shards.
    assert {1, 2} <= codes
    fill.unlink()
    assert texgen(*arguments).returncode == 0
    assert tree(disk / "out") == tree(undisturbed)


def unprivileged(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the command line as a user for whom permissions count, unlike for root."""
    line = command(*arguments)
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root cannot give up its privileges here")
        line = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *line]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("denied", "mode"),
    [("", 0), ("", 0o555), ("out", 0), ("out/_build", 0), ("out/train", 0),
     ("out/_build/records", 0), ("out/_build/tmp", 0)],
)  # fmt: skip
def test_an_out_without_permission_is_refused_in_one_line_with_a_mend(
    denied: str, mode: int, forty: Path, undisturbed: Path, tmp_path: Path
) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    out = parent / "out"
    if denied:
        shutil.copytree(undisturbed, out)
    place = parent / denied
    place.mkdir(exist_ok=True, parents=True)
    place.chmod(mode)
    try:
        result = unprivileged("build", "--src", forty, "--out", out, *SMALL, "--no-ray", "--quiet")
    finally:
        place.chmod(0o755)
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1
    assert "Permission denied; change its permissions, or name another" in result.stderr
    if denied:
        assert tree(out) == tree(undisturbed)
