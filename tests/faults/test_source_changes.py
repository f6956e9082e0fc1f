"""Photographs that change while they are being made into shards."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, tree
from tests.faults.conftest import SMALL, BadWorker, in_the_middle, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

Change = Callable[[Path], object]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(Path.unlink, "is gone since the build was planned", id="deleted"),
        pytest.param(lambda path: path.write_bytes(b"x"), "now has 1", id="written over"),
    ],
)
def test_a_photograph_that_changes_gives_up_its_shard_and_no_other(
    change: Change,
    words: str,
    forty: Path,
    undisturbed: Path,
    tmp_path: Path,
    texgen: Texgen,
    bad_worker: BadWorker,
) -> None:
    source, out = tmp_path / "train", tmp_path / "out"
    shutil.copytree(forty, source)
    arguments = ("build", "--src", source, "--out", out, *SMALL, "--no-ray", "--quiet")
    process = subprocess.Popen(
        command(*arguments),
        env=bad_worker("slow", seconds=0.15),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: in_the_middle(out), process)
    last = source / "bee" / "bee_019.JPEG"
    kept = last.read_bytes()
    change(last)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "bee/bee_019.JPEG" in errors
    assert words in errors
    assert "7 of 8 shards are kept" in errors
    assert not (out / "index.json").exists()
    refused = texgen(*arguments)
    assert refused.returncode == 2
    assert "split 'train' has changed" in refused.stderr
    last.write_bytes(kept)
    assert texgen(*arguments).returncode == 0
    assert tree(out) == tree(undisturbed)
