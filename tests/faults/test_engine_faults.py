"""Engine processes that exit, hang or talk garbage."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Texgen, tree
from tests.faults.conftest import SMALL, BadWorker

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

LOCAL = (*SMALL, "--no-ray", "--quiet")


@pytest.mark.parametrize("mode", ["exit", "hang", "garbage", "half", "flood"])
def test_a_sample_whose_first_try_fails_is_made_as_if_nothing_had_happened(
    mode: str, forty: Path, undisturbed: Path, tmp_path: Path, texgen: Texgen, bad_worker: BadWorker
) -> None:
    out = tmp_path / "out"
    environment = bad_worker(mode, one_in=7, once=True)
    result = texgen(
        "build", "--src", forty, "--out", out, *LOCAL, "--sample-timeout", 2, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert list((tmp_path / "tried").iterdir()), "nothing misbehaved"
    assert tree(out) == tree(undisturbed)


@pytest.mark.parametrize(("mode", "code"), [("exit", "engine_crashed"), ("hang", "engine_timeout")])
def test_a_sample_that_fails_every_try_is_a_failed_row_and_the_others_are_made(
    mode: str, code: str, forty: Path, tmp_path: Path, texgen: Texgen, bad_worker: BadWorker
) -> None:
    out = tmp_path / "out"
    environment = bad_worker(mode, one_in=11)
    options = ("--sample-timeout", 1, "--max-failures", "100%")
    result = texgen("build", "--src", forty, "--out", out, *LOCAL, *options, env=environment)
    assert result.returncode == 0, result.stderr
    rows = pq.read_table(out / "manifest" / "train-00000.parquet").to_pylist()
    failed = [row for row in rows if row["status"] == "failed"]
    assert len(rows) == 40
    assert {row["key"] for row in failed} == {row["key"] for row in rows if row["seed"] % 11 == 0}
    assert failed, "no seed was chosen"
    assert all(row["error"].startswith(f"{code}: ") for row in failed)
    assert all(row["shard"] is None and row["width"] == 120 for row in failed)
    log = (out / "_build" / "logs" / "build.log").read_text()
    assert f"{failed[0]['key']}: try 3 failed: {code}" in log
    assert texgen("verify", out).returncode == 0


@pytest.mark.parametrize("runner", [("--no-ray",), ()], ids=["no-ray", "ray"])
def test_failed_rows_that_are_retried_end_as_if_nothing_had_happened(
    runner: tuple[str, ...],
    forty: Path,
    undisturbed: Path,
    tmp_path: Path,
    texgen: Texgen,
    bad_worker: BadWorker,
) -> None:
    out = tmp_path / "out"
    arguments = ("build", "--src", forty, "--out", out, *SMALL, "--quiet", *runner)
    failing = bad_worker("exit", one_in=7)
    assert texgen(*arguments, "--max-failures", "100%", env=failing).returncode == 0
    rows = pq.read_table(out / "manifest" / "train-00000.parquet").to_pylist()
    failed = {row["seed"] for row in rows if row["status"] == "failed"}
    assert failed
    # Slow by nothing: it notes which samples it is asked for.
    noting = bad_worker("slow", seconds=0, once=True)
    assert texgen(*arguments, "--retry-failed", env=noting).returncode == 0
    assert {int(path.name) for path in (tmp_path / "tried").iterdir()} == failed
    assert tree(out) == tree(undisturbed)


def test_last_words_of_a_worker_reach_the_log_with_the_key_of_its_sample(
    forty: Path, tmp_path: Path, texgen: Texgen, bad_worker: BadWorker
) -> None:
    out = tmp_path / "out"
    environment = bad_worker("exit", one_in=7, once=True)
    texgen("build", "--src", forty, "--out", out, *LOCAL, env=environment)
    lines = (out / "_build" / "logs" / "build.log").read_text().splitlines()
    said = [line for line in lines if "the engine process says: last words" in line]
    assert said
    assert all(" ant/ant_" in line or " bee/bee_" in line for line in said)


@pytest.mark.parametrize(
    ("mode", "words"),
    [("version", "protocol 99"), ("dead", "cannot load a library")],
)
def test_an_engine_that_cannot_start_ends_the_build_before_it_begins(
    mode: str, words: str, forty: Path, tmp_path: Path, texgen: Texgen, bad_worker: BadWorker
) -> None:
    out = tmp_path / "out"
    result = texgen("build", "--src", forty, "--out", out, *LOCAL, env=bad_worker(mode))
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()
