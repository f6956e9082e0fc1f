"""Processors: how many this process may use, with how many ranks it shares them, their name."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PROCESS = Path("/proc/self")


def available_cpus(process: Path = _PROCESS) -> int:
    """Number of processors allowed by affinity and by the quotas of control groups, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quotas = [quota for group in _groups(process) if (quota := _quota(group)) is not None]
    return max(1, min([count, *quotas]))


def ranks_here() -> int:
    """Number of training ranks on this machine, from torchrun's LOCAL_WORLD_SIZE, at least 1."""
    try:
        return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    except ValueError:
        return 1


def processor_name() -> str:
    """Name of the processor's model, or "" if the system does not tell it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _groups(process: Path) -> Iterator[Path]:
    """Yields the folders of this process's control groups, from its own up to the mounts."""
    try:
        # Only other mounts have names that are not UTF-8.
        mounts = (process / "mountinfo").read_text(errors="replace").splitlines()
        lines = (process / "cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return
    places = [line.split(":", 2) for line in lines]
    for mount in mounts:
        fields, _, filesystem = mount.partition(" - ")
        # Root of the mount inside the hierarchy, and its mount point.
        root, point = (_unescaped(field) for field in fields.split()[3:5])
        kind, _, options = filesystem.split(maxsplit=2)
        for _, controllers, path in places:
            # Version 2 has one hierarchy; its line names no controllers.
            version_2 = kind == "cgroup2" and not controllers
            version_1 = kind == "cgroup" and "cpu" in set(controllers.split(","))
            if version_2 or (version_1 and "cpu" in options.split(",")):
                yield from _upwards(Path(point), path, root)


def _upwards(point: Path, path: str, root: str) -> Iterator[Path]:
    below = PurePosixPath(path)
    # A container sees its own group at the mount's root, and this path leads outside of it.
    inside = below.is_relative_to(root) and ".." not in below.parts
    parts = below.relative_to(root).parts if inside else ()
    for depth in range(len(parts), -1, -1):
        yield point.joinpath(*parts[:depth])


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _quota(group: Path) -> int | None:
    """Number of whole processors that a group may use; None without a limit."""
    try:
        limit, period = (group / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) // int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
        return int(limit) // int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None
