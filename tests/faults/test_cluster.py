"""A real Ray cluster of several nodes on this machine, one of which is lost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Texgen, command, tree
from tests.faults.conftest import BadWorker, in_the_middle, wait_until
from tests.faults.nodes import Nodes, engines

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

OPTIONS = ("--engine", "stub", "--size", 64, "--samples-per-shard", 2)


@pytest.fixture
def cluster(bad_worker: BadWorker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A head without processors and two nodes with one each, whose engines are slow."""
    for name, value in bad_worker("slow", seconds=0.2).items():
        monkeypatch.setenv(name, value)
    started = Nodes()
    for _ in range(2):
        started.add()
    yield started
    started.close()


def at_work(cluster: Nodes) -> list[tuple[object, psutil.Process]]:
    """The nodes that run an engine process, each with that process."""
    return [(node, process) for node in cluster.there for process in engines(node)]


def held_up(out: Path) -> bool:
    """Whether only the shard of the frozen engine is unfinished."""
    begun = {path.name.split(".")[0] for path in out.glob("_build/tmp/*.part")}
    return len(list(out.glob("_build/records/*"))) == 13 and len(begun) == 1


def test_a_cluster_that_loses_a_node_gives_the_same_bytes(
    cluster: Nodes, image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    arguments = ("build", "--src", image_source, *OPTIONS)
    assert texgen(*arguments, "--out", tmp_path / "plain", "--no-ray").returncode == 0
    out = tmp_path / "cluster"
    address = ("--ray-address", cluster.address)
    process = subprocess.Popen(
        command(*arguments, "--out", out, *address, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: in_the_middle(out) and at_work(cluster), process)
    node, engine = at_work(cluster)[0]
    # Frozen first, since otherwise the shard might be finished before the node is lost.
    engine.suspend()
    wait_until(lambda: held_up(out), process)
    cluster.lose(node)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert json.loads(output)["textures"] == 26
    assert tree(out) == tree(tmp_path / "plain")
    log = (out / "_build" / "logs" / "build.log").read_text()
    # Either the loss was detected first, or the shard was late first.
    assert ", attempt 1: " in log or "an idle worker tries it too" in log


def test_an_address_where_no_cluster_is_is_named(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    arguments = ("build", "--src", image_source, "--out", tmp_path / "out", *OPTIONS)
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9", "nonsense"):
        result = texgen(*arguments, "--ray-address", address)
        assert result.returncode == 2
        assert f"--ray-address {address}: " in result.stderr.splitlines()[-1]
        assert "Traceback" not in result.stderr
