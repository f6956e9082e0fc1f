"""The Slurm scripts, really run, with small programs in the place of Slurm's own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Texgen, make_source, tree
from tests.faults.cluster_head import PATH
from tests.faults.conftest import BadWorker, bad_worker
from tests.pipelines.stubs import CLUSTER, SLURM, program

__all__ = ["bad_worker"]

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

OPTIONS = 'exec python -m texgen "$@" --engine stub --size 32 --samples-per-shard 5'

Sbatch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def src(tmp_path: Path) -> Path:
    """20 photographs: four shards."""
    return make_source(tmp_path / "train", {"ant": 12, "bee": 8})


@pytest.fixture
def sbatch(tmp_path: Path, src: Path) -> Iterator[Sbatch]:
    """Runs a script as Slurm does: its first node is this machine, and so is its second."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    program(stubs, "texgen", f"#!/bin/sh\n{OPTIONS}\n")
    # Two names of loopback, as Slurm spells the nodes of a job out; what is asked of it is kept.
    program(
        stubs,
        "scontrol",
        '#!/bin/sh\necho "$@" >>"$ASKED"\n'
        '[ "$1" = requeue ] || { echo localhost; echo 127.0.0.1; }\n',
    )
    # A step runs here, with srun's own options taken off.
    program(
        stubs,
        "srun",
        '#!/bin/sh\necho "srun $*" >>"$ASKED"\n'
        'while case $1 in --*) true ;; *) false ;; esac; do shift; done\nexec "$@"\n',
    )
    running: list[subprocess.Popen[str]] = []

    def run(script: str, **more: str) -> subprocess.Popen[str]:
        environment = {
            **SLURM,
            "PATH": f"{stubs}:{PATH}",
            "HOME": str(tmp_path),
            "SRC": str(src),
            "OUT": str(tmp_path / "out"),
            "ASKED": str(tmp_path / "asked"),
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_CPUS_PER_TASK": "1",
            "TEXGEN_TEST_RUN": os.environ["TEXGEN_TEST_RUN"],
            **more,
        }
        process = subprocess.Popen(
            ["bash", CLUSTER / script],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            below = psutil.Process(process.pid).children(recursive=True)
            for one in [*below, process]:
                one.kill()
            process.communicate(timeout=30)


@pytest.fixture
def plain(src: Path, tmp_path: Path, texgen: Texgen) -> Path:
    """A build of ``src`` here."""
    out = tmp_path / "plain"
    options = ("--engine", "stub", "--size", 32, "--samples-per-shard", 5, "--no-ray")
    assert texgen("build", "--src", src, "--out", out, *options).returncode == 0
    return out


def end(process: subprocess.Popen[str], timeout_s: float = 150) -> tuple[int, str]:
    output, _ = process.communicate(timeout=timeout_s)
    return process.returncode, output


def rays() -> list[psutil.Process]:
    """Ray's servers on this machine."""
    return [p for p in psutil.process_iter(["name"]) if p.info["name"] in ("raylet", "gcs_server")]


def test_the_parts_of_an_array_make_the_data_set(
    sbatch: Sbatch, plain: Path, tmp_path: Path
) -> None:
    parts = [
        sbatch("slurm-array.sbatch", SLURM_ARRAY_TASK_ID=part, SLURM_ARRAY_TASK_MAX="2")
        for part in "12"
    ]
    for part in parts:
        code, output = end(part)
        assert code == 0, output
    assert tree(tmp_path / "out") == tree(plain)


def test_a_part_whose_time_is_up_goes_back_into_the_queue_and_on(
    sbatch: Sbatch, plain: Path, tmp_path: Path, bad_worker: BadWorker
) -> None:
    slow = bad_worker("slow", seconds=0.3)
    one = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MAX": "1"}
    job = sbatch(
        "slurm-array.sbatch", **one, **{n: slow[n] for n in ("TEXGEN_WORKER", "BAD_WORKER")}
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("_build/records/*")):
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # To the shell alone, as --signal=B: says.
    os.kill(job.pid, signal.SIGUSR1)
    code, output = end(job)
    assert code == 0, output
    assert "the same command goes on" in output
    assert (tmp_path / "asked").read_text() == f"requeue {os.getpid()}\n"
    code, output = end(sbatch("slurm-array.sbatch", **one))
    assert code == 0, output
    assert tree(tmp_path / "out") == tree(plain)


@pytest.mark.slow
def test_a_ray_over_two_nodes_makes_the_data_set_and_ends_with_the_job(
    sbatch: Sbatch, plain: Path, tmp_path: Path, bad_worker: BadWorker
) -> None:
    before = {process.pid for process in rays()}
    # Slow enough that the second node is there in time.
    slow = bad_worker("slow", seconds=2.5)
    job = sbatch("slurm-ray.sbatch", **{n: slow[n] for n in ("TEXGEN_WORKER", "BAD_WORKER")})
    most = 0
    while job.poll() is None and most < 2:
        most = max(most, len(engine_parents()))
        time.sleep(0.1)
    code, output = end(job)
    assert code == 0, output
    # Each under a raylet of its own.
    assert most == 2
    assert "srun --nodes=1 --ntasks=1 --nodelist=127.0.0.1" in (tmp_path / "asked").read_text()
    assert tree(tmp_path / "out") == tree(plain)
    assert {process.pid for process in rays()} <= before


def engine_parents() -> set[int]:
    """The raylets of this run's engines."""
    found = set()
    for raylet in rays():
        try:
            below = [process.name() for process in raylet.children(recursive=True)]
        except psutil.Error:
            continue
        if "texgen-worker" in below:
            found.add(raylet.pid)
    return found
