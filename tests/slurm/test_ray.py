"""A Ray cluster that a job of a real Slurm starts on its nodes, which are lost, cut and shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.slurm.cluster import NODES, PATH
from tests.slurm.jobs import ARRAY, OPTIONS, RAY, Jobs, with_line

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.usefixtures("no_orphans")]

Tree = dict[str, bytes]


@pytest.fixture(autouse=True)
def all_nodes(jobs: Jobs) -> Iterator[None]:
    """Restarts the nodes that a test has lost."""
    yield
    jobs.cancel()
    jobs.slurm.recover()


def _size(script: Path) -> str:
    return "--nodes=2" if script == RAY else "--array=1-2"


def test_a_ray_over_three_nodes_makes_the_data_set(jobs: Jobs, plain: Tree) -> None:
    log = jobs.end(jobs.submit(RAY, "--nodes=3", seconds=0.5))
    assert "20 textures of 20 images in 4 shards, 0 failed" in log
    assert tree(jobs.out) == plain


def test_a_node_that_is_lost_costs_its_shards_in_the_making(jobs: Jobs, plain: Tree) -> None:
    job = jobs.submit(RAY, "--nodes=3", held=True)
    jobs.until_the_middle()
    jobs.slurm.lose("n3")
    jobs.release()
    jobs.end(job)
    assert jobs.slurm.job(job, "Restarts") == "0"
    assert tree(jobs.out) == plain


def test_with_the_heads_node_lost_the_job_goes_back_and_on(jobs: Jobs, plain: Tree) -> None:
    job = jobs.submit(RAY, "--nodes=2", held=True)
    jobs.until_the_middle()
    jobs.slurm.lose(NODES[0])
    jobs.release()
    jobs.end(job)
    assert jobs.slurm.job(job, "Restarts") == "1"
    assert tree(jobs.out) == plain


@pytest.mark.parametrize(("script", "seconds"), [(RAY, 5), (ARRAY, 7)], ids=("ray", "array"))
def test_a_job_whose_time_is_up_goes_back_and_on(
    script: Path, seconds: float, jobs: Jobs, plain: Tree
) -> None:
    """Slurm counts minutes; after one minute the second half of the shards is in progress."""
    job = jobs.submit(script, _size(script), "--time=2", "--signal=B:USR1@60", seconds=seconds)
    log = jobs.end(job)
    assert "the same command resumes" in log
    assert tree(jobs.out) == plain


def test_a_job_that_is_submitted_twice_is_refused_once(jobs: Jobs, plain: Tree) -> None:
    first = jobs.submit(RAY, "--nodes=1", held=True)
    jobs.until_the_middle()
    second = jobs.submit(RAY, "--nodes=1")
    assert "is being written by" in jobs.end(second, "FAILED")
    jobs.release()
    jobs.end(first)
    assert tree(jobs.out) == plain


def test_two_jobs_may_share_a_node(jobs: Jobs, plain: Tree) -> None:
    """Each job has a Ray of its own."""
    outs = [jobs.out.with_name(name) for name in ("one", "other")]
    numbers = [
        jobs.submit(RAY, "--nodelist=n2", "--nodes=1", seconds=0.5, OUT=str(out)) for out in outs
    ]
    for number, out in zip(numbers, outs, strict=True):
        jobs.end(number)
        assert tree(out) == plain


@pytest.mark.parametrize("script", [RAY, ARRAY], ids=("ray", "array"))
def test_a_node_that_is_rebooted_has_its_task_again(script: Path, jobs: Jobs, plain: Tree) -> None:
    size = "--nodes=1" if script == RAY else "--array=1-2"
    job = jobs.submit(script, size, "--nodelist=n1", held=True)
    jobs.until_the_middle()
    jobs.slurm.lose("n1")
    jobs.slurm.start("n1")
    jobs.release()
    jobs.end(job)
    assert tree(jobs.out) == plain


@pytest.mark.parametrize("script", [RAY, ARRAY], ids=("ray", "array"))
def test_a_job_may_have_a_folder_for_temporary_files_with_a_long_name(
    script: Path, jobs: Jobs, plain: Tree, tmp_path: Path
) -> None:
    """A path below it is too long for Ray's sockets."""
    long = tmp_path / ("long" * 30)
    long.mkdir()
    jobs.end(jobs.submit(script, _size(script), TMPDIR=str(long)))
    assert tree(jobs.out) == plain


def test_a_ray_takes_nothing_of_a_job_that_gets_no_environment(jobs: Jobs, plain: Tree) -> None:
    """srun passes on the options of sbatch."""
    script = with_line(RAY, f"PATH={PATH}", jobs.cwd)
    where = ("--src", str(jobs.src), "--out", str(jobs.out))
    jobs.end(jobs.submit(script, "--export=NONE", "--nodes=2", options=(*where, *OPTIONS)))
    assert tree(jobs.out) == plain
