"""An array of jobs under a real Slurm."""

from __future__ import annotations

import pytest

from tests.conftest import tree
from tests.slurm.cluster import PATH
from tests.slurm.jobs import ARRAY, OPTIONS, Jobs, with_line

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

Tree = dict[str, bytes]


@pytest.mark.parametrize("width", ["1-3", "1-5", "4-8:2"])
def test_the_tasks_of_an_array_make_the_data_set(jobs: Jobs, plain: Tree, width: str) -> None:
    """Fewer tasks than the four shards, more, and arbitrary numbers; paths have spaces."""
    jobs.end(jobs.submit(ARRAY, f"--array={width}"))
    assert tree(jobs.out) == plain


def test_a_task_whose_time_is_up_goes_back_into_the_queue_alone(jobs: Jobs, plain: Tree) -> None:
    slurm = jobs.slurm
    # Each task has two shards, so that none has ended when the first of all shards is finished.
    array = jobs.submit(ARRAY, "--array=1-2", held=True)
    jobs.until(lambda: slurm.jobs(array) == ["RUNNING"] * 2)
    # Slurm gives one of the tasks the array's own number.
    (task,) = (n for n in "12" if slurm.job(f"{array}_{n}", "JobId") == array)
    jobs.until_the_middle()
    # Once its build has said something, its shell listens to signals.
    log = jobs.cwd / f"texgen-{array}_{task}.log"
    jobs.until(lambda: log.exists() and log.stat().st_size > 0)
    slurm.run("scancel", "--batch", "--signal=USR1", f"{array}_{task}")
    jobs.until(lambda: slurm.job(f"{array}_{task}", "Restarts") == "1")
    jobs.release()
    assert "the same command resumes" in jobs.end(array)
    restarts = {n: slurm.job(f"{array}_{n}", "Restarts") for n in "12"}
    assert restarts == {n: str(int(n == task)) for n in "12"}
    assert tree(jobs.out) == plain


def test_cancelled_and_submitted_again_an_array_goes_on(jobs: Jobs, plain: Tree) -> None:
    array = jobs.submit(ARRAY, "--array=1-2", held=True)
    jobs.until_the_middle()
    jobs.slurm.run("scancel", array)
    jobs.end(array, "CANCELLED")
    jobs.release()
    kept = set(jobs.out.glob("_build/records/*"))
    assert kept
    jobs.end(jobs.submit(ARRAY, "--array=1-3"))
    assert tree(jobs.out) == plain


@pytest.mark.parametrize(
    "parts", ["2", pytest.param("3", marks=pytest.mark.slow)], ids=("same", "other")
)
def test_an_array_that_is_submitted_twice_is_refused_once(
    jobs: Jobs, plain: Tree, parts: str
) -> None:
    first = jobs.submit(ARRAY, "--array=1-2", held=True)
    jobs.until_the_middle()
    second = jobs.submit(ARRAY, "--array=1", PARTS=parts)
    assert "is being written by" in jobs.end(second, "FAILED")
    jobs.release()
    jobs.end(first)
    assert tree(jobs.out) == plain


def test_tasks_that_failed_are_run_again_by_their_numbers(jobs: Jobs, plain: Tree) -> None:
    jobs.end(jobs.submit(ARRAY, "--array=1,3", PARTS="4"))
    assert not (jobs.out / "index.json").exists()
    log = jobs.end(jobs.submit(ARRAY, "--array=1,2,4"), "FAILED")
    assert "--array has gaps; say of how many parts: PARTS=32 sbatch --array=" in log
    jobs.end(jobs.submit(ARRAY, "--array=2,4", PARTS="4"))
    assert tree(jobs.out) == plain


def test_a_job_that_gets_no_environment_says_so_and_takes_options(jobs: Jobs, plain: Tree) -> None:
    one = ("--export=NONE", "--array=1-2")
    log = jobs.end(jobs.submit(ARRAY, *one), "FAILED")
    assert "activate its environment before sbatch or, where jobs do not get the shell's" in log
    script = with_line(ARRAY, f"PATH={PATH}", jobs.cwd)
    src = str(jobs.src)
    jobs.end(jobs.submit(script, *one, options=("--src", src, "--out", str(jobs.out), *OPTIONS)))
    assert tree(jobs.out) == plain
