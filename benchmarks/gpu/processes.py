"""Parts of the measurement in processes of their own, which end with all that they have started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Result = dict[str, Any]

STOPPED = "stopped"
"""Error of the part that was running when somebody stopped the script."""


def run(name: str, seconds: float) -> Result:
    """Runs a part in a process of its own, which prints its result each time that it grows.

    Args:
        name: Name of the part.
        seconds: Time limit, s.

    Returns:
        The last result, with the key ``error`` if the part failed, was cut off or was `STOPPED`.
    """
    if seconds < 1:
        return {"error": "no time is left"}
    line = [sys.executable, str(Path(__file__).parent), *sys.argv[1:], "--part", name]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    error = ""
    try:
        output, errors = process.communicate(timeout=seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt, SystemExit) as end:
        late = isinstance(end, subprocess.TimeoutExpired)
        error = f"cut off after {seconds:.0f} s" if late else STOPPED
        _kill(process)
        output, errors = process.communicate()
    finally:
        _kill(process)
        # What a part leaves behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode and not error:
        error = reason(errors)
    # The last line may have been cut off with the part.
    whole = output[: output.rfind("\n") + 1].splitlines()
    result: Result = json.loads(whole[-1]) if whole else {}
    return {**result, "error": error} if error else result


def texgen(*words: object, ranks: int = 0, seconds: float | None = None) -> str:
    """Runs a command of texgen, by torchrun if there are ranks, and returns its output.

    Raises:
        RuntimeError: With the line that says why, if it fails or takes longer than ``seconds``.
    """
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)] if ranks else []
    line = [sys.executable, *torchrun, "-m", "texgen", *map(str, words)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not done after {seconds:.0f} s") from None
    finally:
        _kill(process)
    if process.returncode:
        raise RuntimeError(reason(errors))
    return output


def reason(errors: str) -> str:
    """The line of a command's standard error that says why it failed."""
    lines = [line.strip() for line in errors.splitlines() if line.strip(" =-*")]
    own = [line for line in lines if line.startswith("texgen: ")]
    return (own or lines or ["no message"])[-1]


def _kill(process: subprocess.Popen[str]) -> None:
    """Kills a process that still runs, with its descendants: torchrun's ranks have other groups."""
    if process.poll() is None:
        for pid in (*_descendants(process.pid), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _descendants(pid: int) -> list[int]:
    children = defaultdict(list)
    for child, parent in _parents():
        children[parent].append(child)
    found = [pid]
    for parent in found:
        found += children[parent]
    return found[1:]


def _parents() -> Iterator[tuple[int, int]]:
    """Yields each process and its parent."""
    if not Path("/proc/self/stat").exists():  # A Mac.
        line = ["ps", "-A", "-o", "pid=,ppid="]
        rows = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split("\n")
        yield from ((int(row.split()[0]), int(row.split()[1])) for row in rows if row.strip())
        return
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended.
            # The program's name, in brackets, may hold anything.
            fields = status.read_text(errors="replace").rpartition(")")[2].split()
            yield int(status.parent.name), int(fields[1])
