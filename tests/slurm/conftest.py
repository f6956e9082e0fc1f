"""Fixtures: a Slurm of three nodes, images, and a reference build without Slurm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import built, make_source
from tests.faults.conftest import BadWorker, bad_worker
from tests.slurm.cluster import Slurm, missing
from tests.slurm.jobs import OPTIONS, Jobs

__all__ = ["bad_worker"]


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A Slurm that tests share; a test that loses a node starts it again."""
    if why := missing():
        pytest.skip(f"no Slurm: {why}")
    with Slurm() as slurm:
        yield slurm


@pytest.fixture(scope="session")
def src(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 images, which give four shards, in a folder with a space in its name."""
    root = tmp_path_factory.mktemp("slurm") / "my images"
    make_source(root / "train", {"ant": 12, "bee": 8})
    return root


@pytest.fixture(scope="session")
def plain(src: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A build of ``src`` without Slurm."""
    return built(src, tmp_path_factory.mktemp("plain") / "out", *OPTIONS)


@pytest.fixture
def jobs(slurm: Slurm, src: Path, tmp_path: Path, bad_worker: BadWorker) -> Iterator[Jobs]:
    """Submits the scripts; jobs that a test leaves in the queue are cancelled."""
    jobs = Jobs(slurm, src, tmp_path / "a data set", tmp_path / "submitted from", bad_worker)
    yield jobs
    jobs.cancel()
