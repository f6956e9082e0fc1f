"""Strikes a build at a moment that is defined by its operations, not by the time.

With this folder on PYTHONPATH every Python process of a build imports this module first. It
counts the operations of the process on files below OUT and SRC, by Python's audit events. Before
the operation that a rule names it takes the steps of the rule. ``TEXGEN_MOMENTS`` is JSON:

- ``out``, ``src``: the folders.
- ``log``: a file that gets a line for each moment: role, label, and its count in the process.
- ``rules``: each with the ``role`` of the process (``driver``, ``task`` or ``ray``), the
  ``label`` of the moment (None is any) and its ``nth`` occurrence in the process (None is every).
  ``token`` is a file through which only the first ``times`` processes take the rule. Of
  ``steps`` the first is taken at that moment, the others at the moments that follow.

A step is a list of actions: ``["signal", number]`` to the process itself, ``["run", command…]``,
``["limit", bytes]`` for the size of files that it writes, ``["meet", folder, n]``, which waits
until n processes have reached it, and ``["wait", file]``, which waits until the file exists.
"""

from __future__ import annotations

import _thread
import itertools
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

SETTINGS = json.loads(os.environ.get("TEXGEN_MOMENTS") or "{}")
PATIENCE_S = 120

_NAMES = {
    "os.rename": "rename",  # os.replace too
    "os.link": "link",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "truncate",
    "os.scandir": "list",
    "shutil.rmtree": "rmtree",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def role() -> str | None:
    """Role of this process in a build."""
    line = sys.orig_argv
    if "texgen-task" in line:
        return "task"
    if any(os.path.basename(word) == "default_worker.py" for word in line):
        return "ray"
    texgen = "texgen" in line[1:3] or any(os.path.basename(w) == "texgen" for w in line[:2])
    return "driver" if texgen else None


ROLE = role() if SETTINGS else None
RULES = [rule for rule in SETTINGS.get("rules", []) if rule["role"] == ROLE]

_counts: dict[str, int] = {}
_next: list[list] = []
_inside: set[int] = set()


def below(path: object, folder: int = -1) -> str | None:
    """A path relative to OUT or SRC, without parts that differ in each run; None elsewhere."""
    if isinstance(path, int):
        path = os.readlink(f"/proc/self/fd/{path}")
    text = os.fsdecode(path)
    if not text.startswith("/"):
        parent = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else os.getcwd()
        text = f"{parent}/{text}"
    for root in (SETTINGS["out"], SETTINGS["src"]):
        if text == root or text.startswith(f"{root}/"):
            name = os.path.relpath(text, root)
            name = re.sub(r"tmp[a-z0-9_]{8}(?=/|$)", "tmp*", name)
            return re.sub(r"\.[^/]*\.part$", ".part", name)
    return None


def label(event: str, arguments: tuple) -> str | None:
    """The name of a moment; None for an event that is not a moment."""
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, int) or path is None:
            return None
        writes = any(c in "wax+" for c in mode) if mode else flags & _WRITING
        name = below(path)
        reads = not writes and mode and os.fsdecode(path).startswith(f"{SETTINGS['src']}/")
        return f"{'open' if writes else 'read'} {name}" if name and (writes or reads) else None
    if event == "subprocess.Popen":
        return f"start {os.path.basename(os.fsdecode(arguments[0]))}"
    if event not in _NAMES:
        return None
    path = arguments[0]
    if event in {"os.rename", "os.link"}:
        path = arguments[1]  # the new name
        name = below(path, arguments[3])
    elif event == "os.mkdir":
        name = below(path, arguments[2])
    elif event in {"os.remove", "os.rmdir"}:
        name = below(path, arguments[1])
    else:
        name = below(path) if path is not None else None
    return f"{_NAMES[event]} {name}" if name else None


def moment(name: str) -> None:
    """Logs a moment, and takes the steps of its rules."""
    nth = _counts[name] = _counts.get(name, 0) + 1
    if SETTINGS.get("log"):
        line = f"{ROLE}\t{name}\t{nth}\n".encode()
        descriptor = os.open(SETTINGS["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, line)
        os.close(descriptor)
    steps = _next.pop(0) if _next else []
    for rule in RULES:
        if rule["label"] in {name, None} and rule["nth"] in {nth, None} and taken(rule):
            steps = steps + rule["steps"][0]
            _next.extend(rule["steps"][1:])
    for step in steps:
        act(*step)


def taken(rule: dict) -> bool:
    """Whether this process is among the first ones, which take a rule."""
    for number in itertools.count():
        if number == rule["times"]:
            return False
        try:
            os.close(os.open(f"{rule['token']}.{number}", os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            continue
        return True
    return False


def act(action: str, *arguments) -> None:
    if action == "signal":
        os.kill(os.getpid(), arguments[0])
    elif action == "run":
        clean = {key: value for key, value in os.environ.items() if key != "TEXGEN_MOMENTS"}
        line = [word.replace("{pid}", str(os.getpid())) for word in arguments]
        subprocess.run(line, check=True, env=clean, stdin=subprocess.DEVNULL)
    elif action == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments[0], resource.RLIM_INFINITY))
    elif action == "meet":
        folder, number = arguments
        os.close(os.open(f"{folder}/{os.getpid()}", os.O_CREAT | os.O_WRONLY, 0o644))
        wait(lambda: len(os.listdir(folder)) >= number)
    elif action == "wait":
        wait(lambda: os.path.exists(arguments[0]))
    else:
        raise ValueError(action)


def wait(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


def guarded(name) -> None:
    """Calls `moment`, unless the event comes from `moment` itself."""
    thread = _thread.get_ident()
    if thread not in _inside:
        _inside.add(thread)
        try:
            if found := name():
                moment(found)
        finally:
            _inside.discard(thread)


def hook(event: str, arguments: tuple) -> None:
    if event in _NAMES or event in {"open", "subprocess.Popen"}:
        guarded(lambda: label(event, arguments))


def wrap(module, function: str, name) -> None:
    """Wraps a function without an audit event, so that its calls are moments."""
    real = getattr(module, function)

    def wrapped(*arguments):
        guarded(lambda: name(*arguments))
        return real(*arguments)

    setattr(module, function, wrapped)


def sync_label(descriptor) -> str | None:
    name = below(descriptor if isinstance(descriptor, int) else descriptor.fileno())
    return name and f"sync {name}"


if ROLE:
    wrap(os, "fsync", sync_label)
    if ROLE == "driver":
        wrap(os, "_exit", lambda code: "exit")
    sys.addaudithook(hook)
