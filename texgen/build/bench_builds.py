"""What whole builds cost: listing, decoding, engine, shards and start-up together."""

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
    """What builds with one engine cost.

    Attributes:
        name: Of the engine.
        textures: Made by each build.
        core_s: Processor time of each build a texture, all its processes together, s.
        wall_s: Wall clock of each build, s.
    """

    name: str
    textures: int = 0
    core_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    @property
    def texture_s(self) -> float:
        """Median over the builds, a texture."""
        return statistics.median(self.core_s)

    @property
    def per_second(self) -> float:
        """Textures a second of wall clock, of the median build."""
        return self.textures / statistics.median(self.wall_s)


def compare_builds(
    engines: Sequence[EngineSpec],
    options: Sequence[str],
    rounds: int,
    tell: Callable[[int], None],
) -> list[BuildCost]:
    """Builds with every engine, engine after engine, round after round, in plain processes.

    Args:
        engines: Whose costs are returned, in this order.
        options: Of `texgen build`, but for engine and OUT.
        rounds: At least 1.
        tell: Called with the number of each finished round.

    Raises:
        BuildFailedError: If a build ends with an error; says with which.
    """
    costs = [BuildCost(engine.name) for engine in engines]
    for number in range(rounds):
        for engine, cost in zip(engines, costs, strict=True):
            _build(engine, options, cost)
        tell(number + 1)
    return costs


def _build(engine: EngineSpec, options: Sequence[str], cost: BuildCost) -> None:
    line = ["build", *options, "--engine", engine.name]
    line += ["--engine-bin", engine.engine_bin] if engine.engine_bin else []
    line += ["--no-ray", "--quiet", "--json"]
    with tempfile.TemporaryDirectory(dir=temporary_root()) as folder:
        counted = [*python_command(_COUNTED), *line, "--out", f"{folder}/out"]
        done = subprocess.run(counted, capture_output=True, text=True, check=False)  # noqa: S603
    lines = done.stdout.splitlines()
    # 1 is for photographs that failed, and for other ends too, which print no summary.
    if len(lines) != 2:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        message = f"a build with {engine.name} ended: {said}"
        raise BuildFailedError(message)
    summary, times = map(json.loads, lines)
    cost.textures = max(1, summary["textures"])
    cost.core_s.append(times["core_s"] / cost.textures)
    cost.wall_s.append(times["wall_s"])


def count(arguments: list[str]) -> int:
    """Runs `texgen` and prints what it and all processes below it took; its exit code.

    The kernel adds processor time up as each process is waited for. Engines end after the
    task that would wait for them, so this process, which has no other children, adopts them.
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
    # Where there is no such thing, some processor time is missing from the figures.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)
