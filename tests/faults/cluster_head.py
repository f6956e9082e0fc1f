"""Head of a Ray cluster, started with `ray start` in a separate environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
TOKEN = "0123456789abcdef" * 4


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback interface."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Head:
    """A started head.

    Attributes:
        address: Value for ``--ray-address``.
        environment: Variables of a shell on the same machine: those needed to submit jobs, and
            none of the machine's own.
        metrics: URL of Ray's metrics.
        seen: Lines that it has printed.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        gcs, dashboard, metrics, client, agent = free_ports(5)
        self.address = f"127.0.0.1:{gcs}"
        self.metrics = f"http://127.0.0.1:{metrics}/metrics"
        self.environment = {
            "PATH": PATH,
            "HOME": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
            **environment,
        }
        # Ray puts its sockets there, and their paths must be short.
        self._scratch = tempfile.mkdtemp(prefix="ray-")
        self._log = (folder / "head.log").open("w+")
        arguments = {
            "--node-ip-address": "127.0.0.1",
            "--port": gcs,
            "--dashboard-port": dashboard,
            "--metrics-export-port": metrics,
            "--ray-client-server-port": client,
            "--dashboard-agent-listen-port": agent,
            "--min-worker-port": 0,
            "--max-worker-port": 0,
            "--num-cpus": 2,
            "--object-store-memory": 128 << 20,
            "--temp-dir": self._scratch,
        }
        self._process = subprocess.Popen(
            ["ray", "start", "--head", "--block", *(str(w) for p in arguments.items() for w in p)],
            env={
                **self.environment,
                "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
                "RAY_metrics_report_interval_ms": "500",
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait(["ray", "job", "list"])

    def _wait(self, command: list[str]) -> None:
        deadline = time.monotonic() + 120
        while subprocess.run(command, env=self.environment, capture_output=True).returncode:
            assert self._process.poll() is None, self.seen
            assert time.monotonic() < deadline, self.seen

    @property
    def seen(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        """Ends the head and all processes that it started."""
        below = psutil.Process(self._process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(below, 20)
        self._process.wait(20)
        self._log.close()
        shutil.rmtree(self._scratch, ignore_errors=True)


@contextlib.contextmanager
def started_head(folder: Path, environment: dict[str, str]) -> Iterator[Head]:
    """Runs a head while the context is open."""
    head = Head(folder, environment)
    try:
        yield head
    finally:
        head.close()
