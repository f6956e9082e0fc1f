"""Submits the project's scripts as a user of Slurm does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.conftest import BadWorker
from tests.pipelines.stubs import CLUSTER
from tests.slurm.cluster import PATIENCE_S, Slurm

ARRAY, RAY = CLUSTER / "slurm-array.sbatch", CLUSTER / "slurm-ray.sbatch"
OPTIONS = ("--engine", "stub", "--size", "32", "--samples-per-shard", "5")
"""Options after the script."""

ENDS = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
_SMALL = ("--cpus-per-task=1", "--mem-per-cpu=500M")


class Jobs:
    """Jobs of one test.

    Args:
        slurm: The Slurm that runs them.
        src: Folder of images.
        out: OUT of the data set.
        cwd: Folder in which they are submitted, which gets their logs.
        bad_worker: Fixture that makes engines slow, or holds them.
    """

    def __init__(
        self, slurm: Slurm, src: Path, out: Path, cwd: Path, bad_worker: BadWorker
    ) -> None:
        self.slurm, self.src, self.out, self.cwd = slurm, src, out, cwd
        self._given = {"SRC": str(src), "OUT": str(out)}
        self._bad_worker = bad_worker
        self._gate = cwd / "gate"
        self._numbers: list[str] = []
        cwd.mkdir()

    def submit(
        self,
        script: Path,
        *sbatch: str,
        options: tuple[str, ...] = OPTIONS,
        seconds: float = 0,
        held: bool = False,
        **environment: str,
    ) -> str:
        """Submits a script.

        Args:
            script: Name of a script of the project.
            sbatch: Options of sbatch, before the script.
            options: Options of texgen, after the script.
            seconds: Time in seconds that an engine takes for a texture.
            held: Whether engines wait for `release` once a shard is finished, so that the build
                stays in its middle however busy the machine is.
            environment: Variables of the shell that submits.

        Returns:
            Number of the job.
        """
        bad: dict[str, str] = {}
        if held:
            records = str(self.out / "_build" / "records")
            bad = self._bad_worker("held", folder=records, gate=str(self._gate))
        elif seconds:
            bad = self._bad_worker("slow", seconds=seconds)
        engine = {name: bad[name] for name in ("TEXGEN_WORKER", "BAD_WORKER") if bad}
        given = {**self._given, **engine, **environment}
        number = self.slurm.sbatch(*_SMALL, *sbatch, script, *options, cwd=self.cwd, **given)
        self._numbers.append(number)
        return number

    def log(self) -> str:
        """Output of all jobs."""
        return "".join(path.read_text() for path in sorted(self.cwd.glob("texgen-*.log")))

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until a condition is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.log() + self.slurm.log()
            time.sleep(0.1)

    def end(self, number: str, wanted: str = "COMPLETED") -> str:
        """Waits until all tasks of a job have completed, and returns their log."""
        self.until(lambda: set(self.slurm.jobs(number)) <= ENDS)
        assert set(self.slurm.jobs(number)) == {wanted}, self.log()
        return self.log()

    def until_the_middle(self) -> None:
        """Waits until a shard is finished and others are not."""
        self.until(lambda: any(self.out.glob("_build/records/*")))
        assert not (self.out / "index.json").exists()

    def release(self) -> None:
        """Lets engines go on that are held."""
        self._gate.touch()

    def cancel(self) -> None:
        """Cancels all jobs, and waits until they are gone."""
        for number in self._numbers:
            self.slurm.run("scancel", number, check=False)
            self.until(lambda number=number: set(self.slurm.jobs(number)) <= ENDS)


def with_line(script: Path, line: str, folder: Path) -> Path:
    """Copies a script and adds the line in which its user activates an environment."""
    text = script.read_text()
    assert text.count("\nSRC=") == 1
    copy = folder / script.name
    copy.write_text(text.replace("\nSRC=", f"\n{line}\nSRC=", 1))
    subprocess.run(["bash", "-n", copy], check=True)
    return copy
