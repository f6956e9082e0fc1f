"""Which process of which machine holds a lease or builds, so that one that was killed is known."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_HIDDEN = "hidden"
"""When another user's process began, where that is not shown."""


def current_process() -> dict[str, Any]:
    """Host, process, and what tells them from others of the same name and number."""
    return process_with_id(os.getpid())


def process_with_id(pid: int) -> dict[str, Any]:
    """`current_process` of any process of this machine."""
    return {"host": socket.gethostname(), "pid": pid, "machine": _machine(), "born": _born(pid)}


def is_dead_on_this_host(about: Mapping[str, Any]) -> bool:
    """Whether a process ran on this machine, and surely runs no more."""
    pid, machine, born = (about.get(name) for name in ("pid", "machine", "born"))
    if not (machine and born and isinstance(pid, int)) or machine != _machine():
        return False
    return _born(pid) not in {born, _HIDDEN}


def is_suspended_on_this_host(about: Mapping[str, Any]) -> bool:
    """Whether a process of this machine was stopped, as Ctrl-Z stops one, and may be continued."""
    pid, machine, born = (about.get(name) for name in ("pid", "machine", "born"))
    if not (machine and born and isinstance(pid, int)) or machine != _machine():
        return False
    fields = _fields(pid)
    return bool(fields) and fields[19] == born and fields[0] in {"T", "t"}


@lru_cache(maxsize=1)
def _machine() -> str | None:
    """This boot of this machine, and the processes that are numbered alike; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # Containers of one machine number their processes each for itself.
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - not a path
    except OSError:
        return None


def _born(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None where there is none, or a dead one."""
    fields = _fields(pid)
    if not fields:
        return None if _is_nobody(pid) else _HIDDEN
    return None if fields[0] in {"Z", "X"} else fields[19]


def _fields(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; nothing where that is not shown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The name before may hold anything, brackets too.
    return text.rpartition(")")[2].split()


def _is_nobody(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
