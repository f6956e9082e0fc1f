"""`texgen bench --build`: processor time and wall clock of whole builds, start-up included."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from texgen.core.errors import BuildFailedError
from texgen.core.launch import python_command
from texgen.core.temporary import temporary_root
from texgen.synthesis import EngineSpec

_COUNTED = "from texgen.build.bench_builds import count; sys.exit(count(sys.argv[1:]))"
_TEXGEN = "from texgen.cli import main; main()"


@dataclass(slots=True)
class BuildCost:
    """Cost of builds with one engine.

    Attributes:
        name: Name of the engine.
        textures: Number of textures of each build.
        core_s: Processor time of each build, of all its processes, divided by its textures, s.
        wall_s: Wall clock of each build, s.
    """

    name: str
    textures: int = 0
    core_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    @property
    def texture_s(self) -> float:
        """Processor time of a texture, median over the builds, s."""
        return statistics.median(self.core_s)

    @property
    def per_second(self) -> float:
        """Textures a second of wall clock in the median build."""
        return self.textures / statistics.median(self.wall_s)


def compare_builds(
    engines: Sequence[EngineSpec],
    options: Sequence[str],
    rounds: int,
    on_round: Callable[[int], None],
) -> list[BuildCost]:
    """Builds with every engine, engine after engine, round after round, in plain processes.

    Args:
        engines: The engines; their costs are returned in the same order.
        options: Options of `texgen build`, without engine and OUT.
        rounds: Number of rounds, at least 1.
        on_round: Called with the number of each finished round.

    Raises:
        BuildFailedError: If a build ends with an error, which the message holds.
    """
    costs = [BuildCost(engine.name) for engine in engines]
    for number in range(rounds):
        for engine, cost in zip(engines, costs, strict=True):
            _build(engine, options, cost)
        on_round(number + 1)
    return costs


def _build(engine: EngineSpec, options: Sequence[str], cost: BuildCost) -> None:
    line = ["build", *options, "--engine", engine.name]
    line += ["--engine-bin", engine.engine_bin] if engine.engine_bin else []
    line += ["--no-ray", "--quiet", "--json"]
    with tempfile.TemporaryDirectory(dir=temporary_root()) as folder:
        counted = [*python_command(_COUNTED), *line, "--out", f"{folder}/out"]
        done = subprocess.run(counted, capture_output=True, text=True, check=False)  # noqa: S603
    lines = done.stdout.splitlines()
    # Exit code 1 means failed images, with a summary, or another error, without one.
    if len(lines) != 2:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        raise BuildFailedError(f"a build with {engine.name} failed: {reason}")
    summary, times = map(json.loads, lines)
    cost.textures = max(1, summary["textures"])
    cost.core_s.append(times["core_s"] / cost.textures)
    cost.wall_s.append(times["wall_s"])


def count(arguments: list[str]) -> int:
    """Runs `texgen`, prints the time that it and its descendants took, and returns its exit code.

    The kernel adds up the processor time of a process when its parent waits for it. Engines end
    after the task that would wait for them. So this process, which has no other children,
    becomes their parent.
    """
    _adopt_orphans()
    started = time.monotonic()
    code = subprocess.call([*python_command(_TEXGEN), *arguments])  # noqa: S603
    wall_s = time.monotonic() - started
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code in (0, 1):
        print(json.dumps({"core_s": usage.ru_utime + usage.ru_stime, "wall_s": wall_s}))
    return code


def _adopt_orphans() -> None:
    set_child_subreaper = 36
    # On systems without subreapers some processor time is missing from the figures.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)
