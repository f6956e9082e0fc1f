"""A Ray cluster of several nodes on this machine, and builds on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

from tests.conftest import command
from tests.faults.conftest import wait_until

STORE = 80 << 20
PATIENCE_S = 240


class Nodes:
    """A head without processors, and nodes that come and go.

    Attributes:
        address: Value for ``--ray-address``.
        there: The running nodes.
    """

    def __init__(self, **head: object) -> None:
        # Ray installs its own handler and never removes it. Processes that tests fork would
        # inherit it, and one that has not run Python code yet could not be ended.
        before = signal.getsignal(signal.SIGTERM)
        given = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE, **head}
        self._cluster = Cluster(initialize_head=True, head_node_args=given)
        signal.signal(signal.SIGTERM, before)
        self.address: str = self._cluster.address
        self.there: list[object] = []

    def add(
        self, environment: dict[str, str] | None = None, cpus: int = 1, gpus: int = 0
    ) -> object:
        """Adds a node whose tasks have ``environment`` set, and which says that it has GPUs."""
        before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
        # Its processes are started here.
        os.environ.update(environment or {})
        try:
            node = self._cluster.add_node(num_cpus=cpus, num_gpus=gpus, object_store_memory=STORE)
            self.there.append(node)
            return node
        finally:
            signal.signal(signal.SIGTERM, handler)
            os.environ.clear()
            os.environ.update(before)

    def lose(self, *nodes: object) -> None:
        """Kills all processes of some nodes."""
        for node in nodes:
            self.there.remove(node)
            self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        """Ends all nodes."""
        self._cluster.shutdown()


def engines(node: object) -> list[psutil.Process]:
    """Engine processes of a node."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [p for p in raylet.children(recursive=True) if p.name() == "texgen-worker"]


def made(out: Path) -> int:
    """Number of finished shards."""
    return len(list(out.glob("_build/records/*")))


class Build:
    """A build on a cluster.

    Args:
        source: SRC.
        out: OUT.
        options: Options of the command.
    """

    def __init__(self, source: Path, out: Path | str, *options: object) -> None:
        self.process = subprocess.Popen(
            command("build", "--src", source, "--out", out, *options, "--quiet", "--json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, condition: Callable[[], object]) -> None:
        """Waits for a state, which must come before the build ends."""
        wait_until(lambda: bool(condition()), self.process, PATIENCE_S)

    def kill(self) -> None:
        """Kills the driver."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)

    def end(self) -> tuple[int, dict[str, int], str]:
        """Exit code, summary and standard error of a build that has ended."""
        try:
            output, errors = self.process.communicate(timeout=PATIENCE_S)
        finally:
            self.process.kill()
        assert "Traceback" not in errors, errors
        return self.process.returncode, json.loads(output or "{}"), errors
