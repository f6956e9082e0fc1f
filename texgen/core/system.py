"""Identity of a process on a machine, by which a dead lock holder or build is recognised."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_UNKNOWN = "hidden"
"""Start time of a process that this user may not see."""


def current_process() -> dict[str, Any]:
    """Identity of this process: host, pid, and what tells both from others of the same name."""
    return process_with_id(os.getpid())


def process_with_id(pid: int) -> dict[str, Any]:
    """Identity of any process of this machine, like `current_process`."""
    return {
        "host": socket.gethostname(),
        "pid": pid,
        "machine": _machine(),
        "born": _start_time(pid),
    }


def is_dead_on_this_host(about: Mapping[str, Any]) -> bool:
    """Whether a process ran on this machine and certainly runs no longer."""
    return _ran_here(about) and _start_time(about["pid"]) not in {about["born"], _UNKNOWN}


def is_suspended_on_this_host(about: Mapping[str, Any]) -> bool:
    """Whether a process of this machine is suspended, as by Ctrl-Z, and may continue."""
    fields = _fields(about["pid"]) if _ran_here(about) else []
    return bool(fields) and fields[19] == about["born"] and fields[0] in {"T", "t"}


def _ran_here(about: Mapping[str, Any]) -> bool:
    pid, machine, born = (about.get(name) for name in ("pid", "machine", "born"))
    return bool(machine and born and isinstance(pid, int)) and machine == _machine()


@lru_cache(maxsize=1)
def _machine() -> str | None:
    """Boot of this machine and its process namespace; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # Each container of a machine numbers its processes by itself.
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - not a path
    except OSError:
        return None


def _start_time(pid: int) -> str | None:
    """Start time of a process in clock ticks; None if it does not exist or is a zombie."""
    fields = _fields(pid)
    if not fields:
        return None if is_gone(pid) else _UNKNOWN
    return None if fields[0] in {"Z", "X"} else fields[19]


def _fields(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the state on; empty if this user may not read them."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The name in front may hold any character, brackets too.
    return text.rpartition(")")[2].split()


def is_gone(pid: int) -> bool:
    """Whether no process on this machine has the number, on any system."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
