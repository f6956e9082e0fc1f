"""Images that change while a build reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, tree
from tests.faults.conftest import SMALL, BadWorker, in_the_middle, wait_until
from tests.faults.matrix import (
    AGAIN,
    PLAIN,
    Matrix,
    Moment,
    how,
    in_words,
    nothing_runs,
    of,
    plain_words,
    spread,
)
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

Change = Callable[[Path], object]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(Path.unlink, "is gone since the build was planned", id="deleted"),
        pytest.param(lambda path: path.write_bytes(b"x"), "now has 1", id="written over"),
    ],
)
def test_a_image_that_changes_gives_up_its_shard_and_no_other(
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


def shell(script: str, *arguments: object) -> list[object]:
    return ["run", "sh", "-c", script, "sh", *map(str, arguments)]


@dataclass(frozen=True)
class Altered:
    """A change of SRC and its reversal, as shell scripts that run in SRC."""

    name: str
    script: str
    undo: str
    codes: tuple[int, ...] = (0, 2)


PICTURE = "train/bee/bee_001.JPEG"
ALTERED = [
    Altered("photograph deleted", f"mv {PICTURE} kept", f"mv kept {PICTURE}"),
    Altered(
        "photograph grown",
        f"cp {PICTURE} kept; echo more >> {PICTURE}",
        f"mv kept {PICTURE}",
    ),
    Altered(
        "photograph cut to nothing",
        f"cp {PICTURE} kept; : > {PICTURE}",
        f"mv kept {PICTURE}",
    ),
    Altered(
        "photograph replaced by another",
        f"mv {PICTURE} kept; cp val/ant/ant_000.JPEG {PICTURE}",
        f"mv kept {PICTURE}",
    ),
    Altered("class folder renamed", "mv train/bee train/cow", "mv train/cow train/bee"),
    Altered("split folder renamed", "mv val kept", "mv kept val"),
    # A folder on a network may come back by itself, so this is not a changed image.
    Altered("SRC gone", "mv $PWD $PWD-kept", "mv $PWD-kept $PWD", (0, 1, 2)),
    Altered(
        "photograph added", "cp val/ant/ant_000.JPEG train/ant/b.JPEG", "rm train/ant/b.JPEG", (0,)
    ),
]


def altered(case: Altered, moment: Moment, matrix: Matrix) -> str:
    """Runs one build whose SRC is altered at a moment; returns the outcome."""
    place = matrix.place()
    source, out = place / "src", place / "out"
    shutil.copytree(matrix.source, source)
    steps = [[shell(f"cd $1 && {case.script}", source)]]
    settings = matrix.settings(out, [matrix.rule(place, moment, steps)], source)
    ended = matrix.run(out, *PLAIN, source=source, environment=settings)
    if not list(place.glob("token.*")):
        return "the moment did not come"
    assert ended.code in case.codes, f"exit code {ended.code}: {ended.errors}"
    plain_words(ended)
    nothing_runs(ended)
    matrix.nothing_unfinished(out)
    refused = matrix.run(out, *PLAIN, source=source)
    assert refused.code == 2, f"the altered SRC was taken: {refused.errors}"
    plain_words(refused)
    matrix.nothing_unfinished(out)
    # Run from the parent folder where SRC itself is missing.
    gone = {"PWD": str(source)}
    undo = case.undo if source.is_dir() else case.undo.replace("$PWD", str(source))
    where = source if source.is_dir() else place
    subprocess.run(["sh", "-c", undo], cwd=where, env={**os.environ, **gone}, check=True)
    again = matrix.run(out, *PLAIN, source=source)
    assert again.code == 0, again.errors
    matrix.finished(out)
    return f"{how(ended.code)}, {AGAIN} once undone"


def alter_at(
    moments: list[Moment],
    cases: list[Altered],
    matrix: Matrix,
    table: FaultTable,
    words: str = "one moment of a task",
) -> None:
    for case in cases:
        matrix.strike_all(
            [(moment.label, moment) for moment in moments],
            table=table,
            name=f"SRC: {case.name}",
            moment=words,
            strike=lambda moment, case=case: altered(case, moment, matrix),
        )


@pytest.mark.faults
def test_src_may_change_in_many_ways_and_what_was_made_stays_whole(
    moments: list[Moment], matrix: Matrix, table: FaultTable
) -> None:
    before = next(m for m in moments if m.label == "open _build/tmp/train-000000.part")
    cases = [c for c in ALTERED if c.name in {"photograph grown", "class folder renamed"}]
    alter_at([before], cases, matrix, table)
    after = next(m for m in moments if m.label == "link val/val-000000.tar")
    alter_at([after], [c for c in ALTERED if c.name == "photograph added"], matrix, table)


@pytest.mark.slow
@pytest.mark.parametrize("case", ALTERED, ids=lambda case: case.name)
def test_src_may_change_at_any_moment_and_what_was_made_stays_whole(
    case: Altered, moments: list[Moment], matrix: Matrix, table: FaultTable, many: int
) -> None:
    found = of("task", moments)
    chosen = spread(found, min(many, 8))
    alter_at(chosen, [case], matrix, table, f"of tasks, {in_words(chosen, found)}")
