"""Watches a process and its descendants: processor time, peak memory, first engine at work."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Run:
    """Resources that a process and its descendants used.

    Attributes:
        wall_s: Wall clock time in s.
        cpu_s: Processor time of all processes in s.
        peak_mb: Largest resident memory in MB of one driver, task and engine process.
        first_s: Time in s at which an engine process was first seen at work.
        event_s: Time in s at which ``event`` was first true.
    """

    wall_s: float
    cpu_s: float
    peak_mb: dict[str, float]
    first_s: float
    event_s: float


def watched(process: subprocess.Popen[Any], event: Callable[[], bool] = lambda: False) -> Run:
    """Waits for ``process``, which has just been started, to end successfully.

    Args:
        process: The process.
        event: Condition that is tested ten times a second.
    """
    started = time.monotonic()
    watch = _Watch(process.pid, started, event)
    watch.start()
    code = process.wait()
    wall_s = time.monotonic() - started
    watch.stop()
    if code != 0:
        message = f"the build ended with {code}"
        raise RuntimeError(message)
    first_s, event_s = watch.first_s or wall_s, watch.event_s or wall_s
    return Run(wall_s, watch.cpu_s(), dict(watch.peak_mb), first_s, event_s)


class _Watch(threading.Thread):
    def __init__(self, pid: int, started: float, event: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._group = _make_group(pid)
        self._begin = started
        self._event = event
        self._sampled: dict[tuple[int, float], float] = {}
        self._done = threading.Event()
        self.peak_mb: dict[str, float] = defaultdict(float)
        self.first_s: float | None = None
        self.event_s: float | None = None

    def run(self) -> None:
        while not self._done.wait(0.1):
            if self.event_s is None and self._event():
                self.event_s = time.monotonic() - self._begin
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in [self._root, *self._root.children(recursive=True)]:
                    self._sample(process)

    def _sample(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
            times = process.cpu_times()
            self._sampled[process.pid, process.create_time()] = times.user + times.system
            kind = self._kind(process)
            if kind:
                self.peak_mb[kind] = max(self.peak_mb[kind], process.memory_info().rss / 1e6)
            if kind == "engine" and self.first_s is None and times.user > 0:
                self.first_s = time.monotonic() - self._begin

    def _kind(self, process: psutil.Process) -> str | None:
        if process == self._root:
            return "driver"
        if process.name() == "texgen-worker":
            return "engine"
        # A process that is ending has no arguments any more.
        line = process.cmdline() or [""]
        return "task" if "texgen-task" in line or "ray::texgen" in line[0] else None

    def stop(self) -> None:
        self._done.set()
        self.join()

    def cpu_s(self) -> float:
        if self._group is None:
            return sum(self._sampled.values())
        deadline = time.monotonic() + 30
        while (self._group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        used = _used(self._group)
        with contextlib.suppress(OSError):
            self._group.rmdir()
        return used


def _used(group: Path) -> float:
    """Processor seconds of a control group, of either version."""
    if (group / "cpuacct.usage").exists():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    lines = (group / "cpu.stat").read_text().splitlines()
    return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


def _make_group(pid: int) -> Path | None:
    """Creates a control group for ``pid`` and its descendants, if that is possible."""
    root = _GROUPS / "cpuacct" if (_GROUPS / "cpuacct").exists() else _GROUPS
    group = root / f"texgen-benchmark-{pid}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        return None
    return group
