"""Strikes each build once, at a moment of a known list, and checks what must hold afterwards."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from tests.conftest import command, tree
from tests.faults.table import FaultTable

MOMENTS = Path(__file__).with_name("moments")
"""Folder with the ``sitecustomize`` module that strikes; its docstring says how."""

RAYS_OWN = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Agents of Ray. When a driver is killed they wait a minute to report it to a dead server."""

PATIENCE_S = 200
SHARDS = ("--engine", "stub", "--size", 32, "--samples-per-shard", 3, "--workers", 2, "--quiet")
PLAIN = (*SHARDS, "--no-ray")
SAME = "the same bytes"
AGAIN = "then the same bytes"

T = TypeVar("T")

_MARK = "TEXGEN_FAULT"

Step = list[list[object]]


class Moment(NamedTuple):
    """Operation that a process of a build is about to do; see ``moments/sitecustomize.py``."""

    role: str
    label: str
    nth: int


@dataclass
class Fault:
    """A fault that is done to a build.

    Attributes:
        steps: Actions at the moment and at those that follow it; see ``sitecustomize.py``.
        moment: Moment at which it strikes; None where no process of the build acts itself.
        codes: Exit codes with which the build may end.
        times: Number of processes that are struck.
        options: Options of the build.
        again: Options of the same command when it is run again.
        environment: Variables of the build, but not of the same command run again.
        mend: Called before the same command is run again. With it, that always happens.
    """

    steps: list[Step]
    moment: Moment | None
    codes: Iterable[int]
    times: int = 1
    options: Sequence[object] = PLAIN
    again: Sequence[object] = PLAIN
    environment: dict[str, str] = field(default_factory=dict)
    mend: Callable[[], object] | None = None


@dataclass
class Ended:
    """A build that has ended.

    Attributes:
        code: Exit code.
        output: Standard output.
        errors: Standard error.
        mark: Text in the environment of all processes of the build.
        session: Session id of its processes.
    """

    code: int
    output: str
    errors: str
    mark: str
    session: int


class Matrix:
    """Strikes builds of one source.

    Args:
        source: SRC.
        undisturbed: Files of an undisturbed build of the source with `PLAIN`.
        folder: Folder in which each build gets a folder.
    """

    def __init__(self, source: Path, undisturbed: Path, folder: Path) -> None:
        self.source = source
        self.whole = tree(undisturbed)
        self.folder = folder
        self._numbers = itertools.count()

    def moments(self, *options: object) -> list[Moment]:
        """File operations of the processes of a build, in order."""
        place = self.place()
        log = place / "log"
        settings = self.settings(place / "out", rules=[], log=str(log))
        ended = self.run(place / "out", *(options or PLAIN), environment=settings)
        assert ended.code == 0, ended.errors
        found = [line.split("\t") for line in log.read_text().splitlines()]
        moments = [Moment(role, label, int(nth)) for role, label, nth in found]
        # The slower the machine, the more often operations happen that are done every few seconds.
        return list(dict.fromkeys(m for m in moments if "_build/status" not in m.label))

    def place(self) -> Path:
        """Makes a new folder."""
        place = self.folder / str(next(self._numbers))
        place.mkdir(parents=True)
        return place

    def settings(
        self, out: Path, rules: list[dict[str, object]], source: Path | None = None, **more: object
    ) -> dict[str, str]:
        """Environment of a build whose processes count their moments."""
        about = {"out": str(out), "src": str(source or self.source), "rules": rules, **more}
        path = os.environ.get("PYTHONPATH")
        return {
            "TEXGEN_MOMENTS": json.dumps(about),
            "PYTHONPATH": f"{MOMENTS}{os.pathsep}{path}" if path else str(MOMENTS),
        }

    def run(
        self,
        out: Path,
        *options: object,
        source: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> Ended:
        """Runs a build until it ends, with success or not."""
        process, mark = self.start(out, *options, source=source, environment=environment)
        try:
            output, errors = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Ended(process.returncode, output, errors, mark, process.pid)

    def start(
        self,
        out: Path,
        *options: object,
        source: Path | None = None,
        environment: dict[str, str] | None = None,
        new_session: bool = True,
    ) -> tuple[subprocess.Popen[str], str]:
        """Starts a build in a new session; the second value marks its processes."""
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            command("build", "--src", source or self.source, "--out", out, *options),
            env={**os.environ, **(environment or {}), _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=new_session,
        )
        return process, mark

    def rule(self, place: Path, moment: Moment, steps: list[Step], times: int = 1) -> dict:
        """A rule for ``sitecustomize.py``."""
        return {
            "role": moment.role,
            "label": moment.label,
            "nth": moment.nth,
            "steps": steps,
            "token": str(place / "token"),
            "times": times,
        }

    def strike(self, fault: Fault, place: Path | None = None) -> str:
        """Strikes one build, and resumes it where the fault stopped it.

        Args:
            fault: The fault.
            place: Folder of the build; a new one by default.

        Returns:
            The outcome, in words.

        Raises:
            AssertionError: If something that must hold does not.
        """
        place = place or self.place()
        out, settings = place / "out", {}
        if fault.moment:
            rules = [self.rule(place, fault.moment, fault.steps, fault.times)]
            settings = self.settings(out, rules)
        ended = self.run(out, *fault.options, environment={**settings, **fault.environment})
        if fault.moment and not list(place.glob("token.*")):
            assert ended.code == 0, ended.errors
            # It is random which task makes which shard, and what it leaves to be deleted.
            shard_part = "-0000" in fault.moment.label and fault.moment.label.endswith(".part")
            by_chance = fault.moment.role != "driver" or shard_part
            assert by_chance, "the moment did not come"
            return "the moment did not come"
        return self.judge(ended, out, fault)

    def judge(self, ended: Ended, out: Path, fault: Fault) -> str:
        """Outcome of a fault; see `strike`."""
        assert ended.code in set(fault.codes), f"exit code {ended.code}: {ended.errors}"
        plain_words(ended)
        nothing_runs(ended)
        if fault.mend:
            fault.mend()
        self.nothing_unfinished(out)
        outcome = SAME
        if ended.code:
            outcome = f"{how(ended.code)}, {AGAIN}"
        else:
            assert "index.json" in tree(out), "exit 0, and it is not finished"
        if ended.code or fault.mend:
            again = self.run(out, *fault.again)
            assert again.code == 0, f"the same command again: {again.errors}"
            nothing_runs(again)
        self.finished(out)
        shutil.rmtree(out, ignore_errors=True)
        return outcome

    def nothing_unfinished(self, out: Path) -> None:
        """Files with a final name are complete, and an index exists only with all that it names."""
        there = tree(out) if out.is_dir() else {}
        for path, data in there.items():
            assert self.whole.get(path) == data, f"{path} is not the undisturbed build's"
        if "index.json" in there:
            assert there.keys() == self.whole.keys(), "index.json is there too early"

    def finished(self, out: Path) -> None:
        """OUT equals the undisturbed build, and nothing is left over."""
        there = tree(out)
        assert there.keys() == self.whole.keys()
        assert there == self.whole
        left = sorted(path.name for path in out.glob("_build/tmp/*"))
        assert not left, f"scratch was left: {', '.join(left)}"

    def strike_all(
        self,
        faults: Iterable[tuple[str, Fault]],
        *,
        table: FaultTable,
        name: str,
        moment: str,
        at_once: int = 0,
        strike: Callable[[Fault], str] | None = None,
    ) -> None:
        """Strikes a build with each fault, and reports all failures together.

        Args:
            faults: Faults, each with a word for its moment.
            table: Table of faults, which gets a row.
            name: Name of the fault in the table.
            moment: Moments in words, for the table.
            at_once: Number of builds side by side; 0 means one for each processor.
            strike: Function that replaces `strike`.
        """
        wrong: list[str] = []
        guard = threading.Lock()

        def one(case: tuple[str, Fault]) -> None:
            where, fault = case
            try:
                outcome = (strike or self.strike)(fault)
            except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
                outcome = "**not as it must be**"
                with guard:
                    wrong.append(f"{name}, {where}: {error}")
                    # Flushed, so that a long run with -s shows it at once.
                    print(f"\n{wrong[-1]}", flush=True)
            with guard:
                table.add(name, moment, outcome)

        with ThreadPoolExecutor(at_once or os.cpu_count()) as threads:
            list(threads.map(one, faults))
        assert not wrong, f"{len(wrong)} went wrong:\n" + "\n".join(wrong)


def how(code: int) -> str:
    """How a build ended, in words."""
    return f"signal {-code}" if code < 0 else f"exit {code}"


def plain_words(ended: Ended) -> None:
    """No error is a traceback or an unexpected exception."""
    assert "Traceback" not in ended.errors, ended.errors
    assert "unexpected" not in ended.errors, ended.errors
    for line in ended.errors.splitlines():
        assert line.startswith("texgen: ") or " is given up: " in line, ended.errors


def nothing_runs(ended: Ended, patience_s: float = 60) -> None:
    """Waits until no process of a build is left."""
    deadline = time.monotonic() + patience_s
    while left := list(_processes(ended)):
        assert time.monotonic() < deadline, f"processes are left: {left}"
        time.sleep(0.05)


def _processes(ended: Ended) -> Iterable[str]:
    for process in psutil.process_iter(["name", "status", "environ"]):
        about = process.info
        if about["status"] == psutil.STATUS_ZOMBIE or about["name"] in RAYS_OWN:
            continue
        ours = (about["environ"] or {}).get(_MARK) == ended.mark
        with contextlib.suppress(OSError):
            # Some processes overwrite their environment with their title.
            ours = ours or os.getsid(process.pid) == ended.session
        # The command line of Ray's agents names them before they have set their title.
        with contextlib.suppress(psutil.Error):
            if ours and not any(
                "/dashboard/" in w or "runtime_env" in w for w in process.cmdline()
            ):
                yield f"{process.pid} {about['name']}"


def of(role: str, moments: Iterable[Moment]) -> list[Moment]:
    """The moments of one role."""
    return [moment for moment in moments if moment.role == role]


def spread(moments: Sequence[T], number: int) -> Sequence[T]:
    """At most ``number`` of them, evenly spread, each from the middle of its part."""
    if len(moments) <= number:
        return moments
    return [moments[int((i + 0.5) * len(moments) / number)] for i in range(number)]


def sent(number: signal.Signals, times: int = 1) -> list[Step]:
    """Steps that send a signal at a moment, and again at each that follows."""
    return [[["signal", int(number)]]] * times


def kinds(moments: Iterable[Moment]) -> str:
    """Number of moments of each kind, in words."""
    counts: dict[str, int] = {}
    for moment in moments:
        word = moment.label.split()[0]
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))


def in_words(chosen: Sequence[Moment], found: Sequence[Moment]) -> str:
    """Chosen moments out of all, in words for the table."""
    some = f"{len(chosen)} of {len(found)}" if len(chosen) < len(found) else f"all {len(found)}"
    return f"{some}: {kinds(chosen)}"


def can_mount() -> bool:
    """Whether this process may mount disks."""
    return os.geteuid() == 0 and all(map(shutil.which, ("mount", "umount", "mkfs.ext4", "e2fsck")))


class Disk:
    """A separate disk in a file, which can fail while files on it are open.

    Args:
        folder: Folder of the file and of the mount point.
    """

    def __init__(self, folder: Path) -> None:
        self._image = folder / "image"
        self.place = folder / "disk"
        self.place.mkdir()
        with self._image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)
        self._mount()

    def abort(self) -> list[object]:
        """Action with which the disk fails: it becomes read-only and loses what was not synced."""
        return ["run", "mount", "-o", "remount,abort", str(self.place)]

    def mend(self) -> None:
        """Mounts the disk again, with the content that a power cut would have left."""
        self.close()
        # A copy: in other mount namespaces, such as those of containers, the failed disk goes on,
        # and its own file would be mounted as the same failed disk.
        copy = self._image.with_name(f"{self._image.name}-mended")
        self._image = Path(shutil.copyfile(self._image, copy))
        checked = subprocess.run(["e2fsck", "-p", self._image], capture_output=True, check=False)
        assert checked.returncode in {0, 1}, checked.stdout
        self._mount()

    def close(self) -> None:
        """Unmounts it."""
        subprocess.run(["umount", self.place], check=True, capture_output=True)

    def _mount(self) -> None:
        # Read and write: mount would otherwise fall back to a disk that is read-only.
        options = ["--rw", "-o", "loop"]
        subprocess.run(
            ["mount", *options, self._image, self.place], check=True, capture_output=True
        )
        shutil.rmtree(self.place / "lost+found", ignore_errors=True)


class MemoryDisk:
    """A small disk in memory.

    Args:
        folder: Folder of the mount point.
        kb: Size of the disk, kB.
    """

    def __init__(self, folder: Path, kb: int) -> None:
        self.place = folder / "disk"
        self.place.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={kb}k", "tmpfs"]
        subprocess.run(["mount", *options, self.place], check=True, capture_output=True)

    def fill(self) -> list[object]:
        """Action that fills the disk."""
        script = f"cat /dev/zero > {self.place}/fill 2> /dev/null || true"
        return ["run", "sh", "-c", script]

    def mend(self) -> None:
        """Frees the space again."""
        (self.place / "fill").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,size=8m", self.place], check=True)

    def close(self) -> None:
        """Unmounts it."""
        subprocess.run(["umount", "--lazy", self.place], check=True, capture_output=True)
