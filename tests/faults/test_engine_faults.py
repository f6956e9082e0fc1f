"""Engine processes that exit, hang or talk garbage."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Texgen, tree
from tests.faults.conftest import SMALL, BadWorker
from tests.faults.matrix import Fault, Matrix
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

LOCAL = (*SMALL, "--no-ray", "--quiet")
MODES = ("exit", "hang", "garbage", "half", "flood")


@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
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


@pytest.mark.faults
@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("exit", "engine_crashed"),
        ("hang", "engine_timeout"),
        ("garbage", "engine_garbage"),
        ("half", "engine_crashed"),
        ("flood", "engine_garbage"),
    ],
)
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


@pytest.mark.faults
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
    # With one worker no second attempt begins: it would make all of a replaced shard again.
    arguments = ("build", "--src", forty, "--out", out, *SMALL, "--workers", 1, "--quiet", *runner)
    failing = bad_worker("exit", one_in=7)
    assert texgen(*arguments, "--max-failures", "100%", env=failing).returncode == 0
    rows = pq.read_table(out / "manifest" / "train-00000.parquet").to_pylist()
    failed = {row["seed"] for row in rows if row["status"] == "failed"}
    assert failed
    # A delay of 0 s, so that the worker only records the samples that it is asked for.
    noting = bad_worker("slow", seconds=0, once=True)
    assert texgen(*arguments, "--retry-failed", env=noting).returncode == 0
    assert {int(path.name) for path in (tmp_path / "tried").iterdir()} == failed
    assert tree(out) == tree(undisturbed)


@pytest.mark.faults
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


@pytest.mark.faults
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


@pytest.mark.faults
def test_engines_that_fail_in_every_way_on_ray_give_the_same_bytes(
    forty: Path, undisturbed: Path, tmp_path: Path, texgen: Texgen, bad_worker: BadWorker
) -> None:
    out = tmp_path / "out"
    environment = bad_worker(",".join(MODES), one_in=3, once=True)
    options = (*SMALL, "--quiet", "--sample-timeout", 3)
    result = texgen("build", "--src", forty, "--out", out, *options, env=environment)
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "tried").iterdir())) > 5
    assert tree(out) == tree(undisturbed)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("mode", "last", "codes"),
    # The command itself starts the engine first, to ask for its identity.
    [("dead", 3, (0,)), ("dead", 999, (2,)), ("version", 999, (2,))],
)
def test_an_engine_that_does_not_start_in_the_middle_is_tried_again_or_named(
    mode: str,
    last: int,
    codes: tuple[int, ...],
    forty: Path,
    undisturbed: Path,
    tmp_path: Path,
    bad_worker: BadWorker,
) -> None:
    environment = bad_worker(mode, starts=True, first=2, last=last)
    fault = Fault([], None, codes, options=LOCAL, again=LOCAL, environment=environment)
    Matrix(forty, undisturbed, tmp_path / "builds").strike(fault)
    assert len(list((tmp_path / "starts").iterdir())) > 2


SLOW_OPTIONS = (*SMALL, "--quiet", "--sample-timeout", 3, "--max-failures", "100%")
RUNNERS = {"plain": (*SLOW_OPTIONS, "--no-ray"), "Ray": SLOW_OPTIONS}


@pytest.mark.slow
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("mode", [*MODES, ",".join(MODES), "slow"])
def test_any_first_try_may_fail(
    mode: str,
    runner: str,
    forty: Path,
    undisturbed: Path,
    tmp_path: Path,
    bad_worker: BadWorker,
    table: FaultTable,
) -> None:
    faults = []
    for one_in in (1, 2, 3, 5) if runner == "plain" else (1, 3):
        once = {} if mode == "slow" else {"once": tmp_path / str(one_in)}
        environment = bad_worker(mode, one_in=one_in, seconds=0.2, **once)
        options = RUNNERS[runner]
        fault = Fault([], None, [0], options=options, again=LOCAL, environment=environment)
        faults.append((f"one sample in {one_in}", fault))
    name = f"engine: {mode.replace(',', ', ')}; {runner}"
    moment = "all, a half, a third and a fifth of the samples" if len(faults) > 2 else ""
    Matrix(forty, undisturbed, tmp_path / "builds").strike_all(
        faults,
        table=table,
        name=name,
        moment=(moment or "all and a third of the samples") + ("" if mode == "slow" else ", once"),
        # Nothing is computed for a sample that hangs.
        at_once=4 if runner == "plain" else 1,
    )


@pytest.mark.slow
def test_an_engine_that_says_nothing_at_its_start_is_started_again(
    forty: Path, undisturbed: Path, tmp_path: Path, bad_worker: BadWorker, table: FaultTable
) -> None:
    environment = bad_worker("silent", starts=True, first=2, last=3)
    fault = Fault([], None, [0], options=LOCAL, again=LOCAL, environment=environment)
    Matrix(forty, undisturbed, tmp_path / "builds").strike_all(
        [("silent", fault)],
        table=table,
        name="engine: silent at its start; plain",
        moment="the first engine of both tasks",
    )


@pytest.mark.slow
@pytest.mark.parametrize("mode", [*MODES, ",".join(MODES)])
def test_samples_that_fail_every_try_give_the_same_failed_rows_whoever_makes_them(
    mode: str,
    forty: Path,
    tmp_path: Path,
    texgen: Texgen,
    bad_worker: BadWorker,
    table: FaultTable,
) -> None:
    trees = []
    for name, more in (("2", ("--no-ray",)), ("1", ("--no-ray", "--workers", 1)), ("ray", ())):
        out = tmp_path / name
        options = (*SLOW_OPTIONS, *more)
        environment = bad_worker(mode, one_in=7)
        result = texgen("build", "--src", forty, "--out", out, *options, env=environment)
        assert result.returncode == 0, result.stderr
        assert texgen("verify", out).returncode == 0
        trees.append(tree(out))
    assert trees[0] == trees[1] == trees[2]
    table.add(
        f"engine: {mode.replace(',', ', ')}; plain and Ray",
        "a seventh of the samples, always",
        "the same failed rows and the same bytes by 2 processes, 1 process and Ray",
        3,
    )
