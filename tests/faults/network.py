"""A Ray cluster whose nodes have separate networks, which can be cut."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.faults.cluster_head import free_ports

_BRIDGE = "txg0"
_SUBNET = "10.213.7"


def can_unplug() -> bool:
    """Whether this process may make networks."""
    if os.geteuid() or not shutil.which("ip"):
        return False
    made = subprocess.run(["ip", "netns", "add", "txg-try"], capture_output=True)
    subprocess.run(["ip", "netns", "del", "txg-try"], capture_output=True)
    return made.returncode == 0


def _ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


class Network:
    """A head on this machine, and nodes in network namespaces on one bridge with it.

    Args:
        nodes: Number of nodes.
        environment: Variables of their tasks.

    Attributes:
        address: Value for ``--ray-address``.
    """

    def __init__(self, nodes: int, environment: dict[str, str]) -> None:
        port, *_ = free_ports(1)
        self.address = f"{_SUBNET}.1:{port}"
        self._nodes = nodes
        self._environment = environment
        self._scratch = tempfile.mkdtemp(prefix="ray-")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> Network:
        with contextlib.ExitStack() as stack:
            stack.callback(self._close)
            self._lay()
            self._start_head()
            self._wait_for_nodes(0)
            for number in range(self._nodes):
                # Started one after the other: on one disk they would choose the same names.
                self._start_node(number)
                self._wait_for_nodes(number + 1)
            stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _lay(self) -> None:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{_SUBNET}.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for number in range(self._nodes):
            space, here, there = _names(number)
            _ip("netns", "add", space)
            _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
            _ip("link", "set", here, "master", _BRIDGE, "up")
            _ip("-n", space, "addr", "add", f"{_SUBNET}.{number + 2}/24", "dev", there)
            _ip("-n", space, "link", "set", there, "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def _start_head(self) -> None:
        port = self.address.rpartition(":")[2]
        head = ["--head", "--port", port, "--num-cpus", "0", "--include-dashboard", "false"]
        self._start(f"{_SUBNET}.1", [*head, "--temp-dir", self._scratch], [])

    def _start_node(self, number: int) -> None:
        space, *_ = _names(number)
        there = ["--address", self.address, "--num-cpus", "1"]
        self._start(f"{_SUBNET}.{number + 2}", there, ["ip", "netns", "exec", space])

    def _start(self, address: str, options: list[str], inside: list[str]) -> None:
        line = ["ray", "start", "--block", "--node-ip-address", address, *options]
        line += ["--object-store-memory", str(80 << 20), "--disable-usage-stats"]
        settings = {
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "1000",
            "RAY_health_check_failure_threshold": "5",
        }
        self._processes.append(
            subprocess.Popen(
                [*inside, *line],
                env={**os.environ, **self._environment, **settings},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def _wait_for_nodes(self, number: int) -> None:
        deadline = time.monotonic() + 120
        script = (
            "import ray, sys; ray.init(sys.argv[1], logging_level='error');"
            "print(sum(n['Alive'] and n['Resources'].get('CPU', 0) > 0 for n in ray.nodes()))"
        )
        while True:
            asked = subprocess.run(
                [sys.executable, "-c", script, self.address], capture_output=True, text=True
            )
            if asked.stdout.strip() == str(number):
                return
            assert time.monotonic() < deadline, asked.stderr[-2000:]

    def at_work(self, number: int, out: Path) -> bool:
        """Whether a node is in the middle of a shard."""
        below = psutil.Process(self._processes[1 + number].pid).children(recursive=True)
        makers = {f"-{process.pid}-" for process in below}
        return any(maker in path.name for path in out.glob("_build/tmp/*.part") for maker in makers)

    def cut(self, number: int, seconds: float | None) -> None:
        """Cuts a node's network, for ``seconds`` or forever."""
        _, here, _ = _names(number)
        _ip("link", "set", here, "down")
        if seconds is not None:
            timer = threading.Timer(seconds, _ip, ("link", "set", here, "up"))
            timer.start()
            self._timers.append(timer)

    def _close(self) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()
        for process in self._processes:
            below = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for child in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            process.wait(30)
        for number in range(self._nodes):
            space, here, _ = _names(number)
            subprocess.run(["ip", "link", "del", here], capture_output=True)
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        subprocess.run(["ip", "link", "del", _BRIDGE], capture_output=True)
        shutil.rmtree(self._scratch, ignore_errors=True)


def _names(number: int) -> tuple[str, str, str]:
    return f"txg-{number}", f"txgh{number}", f"txgn{number}"
