"""A Ray cluster of three containers on a network of its own, with cut, paused and killed nodes."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import command, tree
from tests.docker.conftest import OUT, SOURCE
from tests.docker.engine import Container, Image, docker

pytestmark = [pytest.mark.slow, pytest.mark.faults]

NET = "texgen-test-net"
TOKEN = "0123456789abcdef" * 4
OPTIONS = "--samples-per-shard 8 --textures-per-image 24 --quiet".split()  # noqa: SIM905 - reads as typed
SHARDS = 60
PATIENCE_S = 240

Fault = Callable[[Container], None]


def disconnected(seconds: float) -> Fault:
    def strike(node: Container) -> None:
        docker("network", "disconnect", NET, node.name)
        time.sleep(seconds)
        docker("network", "connect", NET, node.name)

    return strike


def paused(node: Container) -> None:
    docker("pause", node.name)
    time.sleep(25)
    docker("unpause", node.name)


def killed(node: Container) -> None:
    docker("kill", node.name)


def killed_and_started(node: Container) -> None:
    docker("kill", node.name)
    docker("start", node.name)


class Cluster:
    """Starts a head without processors, and two nodes with one processor each."""

    def __init__(self, image: Image, data: Path) -> None:
        docker("network", "create", NET)
        shared = f"--init --network {NET} --volume {data}:/data"
        self._options = f"{shared} --env RAY_AUTH_MODE=token --env RAY_AUTH_TOKEN={TOKEN}"
        self._image = image
        self._all: list[Container] = []
        small = ("--block", "--object-store-memory", 128 << 20)
        self.head = self._start("ray", "start", "--head", "--num-cpus", 0, *small)
        joined = ("ray", "start", "--address", f"{self.head.name}:6379", "--num-cpus", 1, *small)
        self.nodes = [self._start(*joined) for _ in range(2)]
        self._wait_for_nodes()

    def _start(self, *words: object) -> Container:
        self._all.append(Container(self._image, self._options, *words))
        return self._all[-1]

    def _wait_for_nodes(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while "/2.0 CPU" not in self._status():
            assert time.monotonic() < deadline, [node.printed for node in self._all]
            time.sleep(1)

    def _status(self) -> str:
        line = ["docker", "exec", self.head.name, "ray", "status"]
        return subprocess.run(line, capture_output=True, text=True).stdout

    def driver(self, before: str) -> subprocess.CompletedProcess[str]:
        """Runs a build in a container of its own, after some shell commands."""
        line = ("texgen", "build", "--src", SOURCE, "--out", OUT, *OPTIONS)
        address = ("--ray-address", f"{self.head.name}:6379")
        return self._image.run(self._options, "sh", "-c", before + shlex.join([*line, *address]))

    def close(self) -> None:
        for container in self._all:
            container.remove()
        subprocess.run(["docker", "network", "rm", NET], capture_output=True)


@pytest.fixture
def cluster(built: Image, data: Path) -> Iterator[Cluster]:
    subprocess.run(["docker", "network", "rm", NET], capture_output=True)
    started = Cluster(built, data)
    yield started
    started.close()


@pytest.mark.parametrize(
    "fault",
    [disconnected(5), disconnected(35), paused, killed, killed_and_started],
    ids=["cut-5-s", "cut-35-s", "paused", "killed", "killed-and-started"],
)
def test_a_node_in_a_container_is_struck_in_the_middle(
    fault: Fault, cluster: Cluster, data: Path, tmp_path: Path
) -> None:
    line = ("texgen", "build", "--src", SOURCE, "--out", OUT, *OPTIONS, "--ray-address", "auto")
    build = subprocess.Popen(
        ["docker", "exec", cluster.head.name, *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while (made := len(list(data.glob("out/_build/records/*")))) < 3:
        assert build.poll() is None, build.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert made < SHARDS
    fault(cluster.nodes[0])
    _, errors = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == 0, errors
    plain = command("build", "--src", data / "images", "--out", tmp_path / "plain", *OPTIONS)
    subprocess.run([*plain, "--no-ray"], check=True)
    assert tree(data / "out") == tree(tmp_path / "plain")


def test_a_container_that_is_no_node_is_told_how_to_become_one(
    cluster: Cluster, data: Path
) -> None:
    done = cluster.driver("")
    assert done.returncode == 2
    assert "this machine must be one of its nodes" in done.stderr
    found = re.search(r"`(ray start --address [^`]+)`", done.stderr)
    assert found, done.stderr
    again = cluster.driver(f"{found[1]} && ")
    assert again.returncode == 0, again.stderr
    assert (data / "out" / "index.json").exists()
