"""Signals to the processes of a build at every moment that file operations tell apart.

A moment is right before a file operation or the start of a process, and so right after the one
before it. Tests marked `slow` strike at all moments, the others at a few.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.matrix import SHARDS, Fault, Matrix, Moment, Step, in_words, of, sent, spread
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

STOPS = [
    pytest.param("SIGKILL", sent(signal.SIGKILL), -9, id="SIGKILL"),
    pytest.param("SIGTERM", sent(signal.SIGTERM), 143, id="SIGTERM"),
    pytest.param("SIGINT", sent(signal.SIGINT), 130, id="SIGINT"),
    pytest.param("SIGINT twice", sent(signal.SIGINT, 2), 130, id="SIGINT-twice"),
]
"""Signals to the driver, and the exit codes that must follow."""

TASK_SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP]

Strikes = Callable[..., None]


@pytest.fixture
def strikes(matrix: Matrix, table: FaultTable) -> Strikes:
    """Strikes a build at each of the given moments."""

    def strike(
        name: str, found: list[Moment], number: int, steps: list[Step], *codes: int, **more
    ) -> None:
        at_once = more.pop("at_once", 0)
        chosen = spread(found, number)
        faults = [(f"{m.label} ({m.nth})", Fault(steps, m, codes, **more)) for m in chosen]
        words = in_words(chosen, found)
        matrix.strike_all(faults, table=table, name=name, moment=words, at_once=at_once)

    return strike


@pytest.mark.faults
@pytest.mark.parametrize(("name", "steps", "code"), STOPS)
def test_a_driver_stopped_at_some_moment_leaves_whole_files_and_goes_on(
    name: str, steps: list[Step], code: int, moments: list[Moment], strikes: Strikes
) -> None:
    few = 5 if name == "SIGKILL" else 2
    strikes(f"{name} of the driver", of("driver", moments), few, steps, code)


@pytest.mark.faults
@pytest.mark.parametrize("number", TASK_SIGNALS, ids=lambda s: s.name)
def test_a_build_gets_over_a_task_stopped_at_some_moment(
    number: signal.Signals, moments: list[Moment], strikes: Strikes
) -> None:
    few = 4 if number == signal.SIGKILL else 2
    strikes(f"{number.name} of a task", of("task", moments), few, sent(number), 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps", "code"), STOPS)
def test_a_driver_stopped_at_any_moment_leaves_whole_files_and_goes_on(
    name: str, steps: list[Step], code: int, moments: list[Moment], strikes: Strikes, many: int
) -> None:
    strikes(f"{name} of the driver", of("driver", moments), many, steps, code)


@pytest.mark.slow
@pytest.mark.parametrize("number", TASK_SIGNALS, ids=lambda s: s.name)
def test_a_build_gets_over_a_task_stopped_at_any_moment(
    number: signal.Signals, moments: list[Moment], strikes: Strikes, many: int
) -> None:
    # A suspended task costs time, but no work.
    at_once = 6 if number == signal.SIGSTOP else 0
    found = of("task", moments)
    strikes(f"{number.name} of a task", found, many, sent(number), 0, at_once=at_once)


@pytest.mark.slow
def test_tasks_killed_at_one_moment_again_and_again_end_the_build_in_plain_words(
    moments: list[Moment], strikes: Strikes, many: int
) -> None:
    ours = of("task", moments)
    first = [m for m in ours if m.nth == 1 and "train-000000" in m.label]
    steps = sent(signal.SIGKILL)
    # After the first kill an existing shard is not written again, so that moment does not come.
    strikes("SIGKILL of each task that comes there", first, many, steps, 0, 1, times=99)


@pytest.mark.slow
def test_a_task_that_goes_on_after_its_shard_was_given_out_again_changes_nothing(
    matrix: Matrix, moments: list[Moment], table: FaultTable, many: int
) -> None:
    """The task is suspended until another attempt has begun the same shard, or finished it."""
    faults = []
    chosen = spread([m for m in of("task", moments) if "val-000000" in m.label], many)
    for moment in chosen:
        for until in ("train/train-*.tar", "_build/records/val-000000.arrow"):
            faults.append((f"{moment.label} until {until}", continued(matrix, moment, until)))
    matrix.strike_all(
        faults,
        table=table,
        name="SIGSTOP of a task, later SIGCONT",
        moment=f"{len(chosen)} moments of a shard; until other shards or its record are there",
        at_once=6,
        strike=lambda pair: matrix.strike(pair[0], pair[1]),
    )


def continued(matrix: Matrix, moment: Moment, until: str) -> tuple[Fault, Path]:
    place = matrix.place()
    # A child of the suspended task waits and wakes it up, after a minute at most.
    script = f"""
task=$1
(kill -STOP $task; for i in $(seq 1200); do
    for file in {place}/out/{until}; do [ -e "$file" ] && break 2; done; sleep 0.05
done; sleep 0.1; kill -CONT $task) > /dev/null 2>&1 &
"""
    return Fault([[["run", "sh", "-c", script, "sh", "{pid}"]]], moment, [0]), place


RAY = pytest.mark.parametrize(
    ("role", "name", "steps", "code"),
    [
        ("driver", "SIGKILL of the driver, Ray", sent(signal.SIGKILL), -9),
        ("driver", "SIGTERM of the driver, Ray", sent(signal.SIGTERM), 143),
        ("driver", "SIGINT twice of the driver, Ray", sent(signal.SIGINT, 2), 130),
        ("ray", "SIGKILL of a task, Ray", sent(signal.SIGKILL), 0),
        ("ray", "SIGSTOP of a task, Ray", sent(signal.SIGSTOP), 0),
    ],
)


@pytest.mark.slow
@RAY
def test_a_build_on_ray_struck_at_some_moment_gives_the_same_bytes(
    role: str,
    name: str,
    steps: list[Step],
    code: int,
    moments_on_ray: list[Moment],
    strikes: Strikes,
    many: int,
) -> None:
    found = of(role, moments_on_ray)
    if role == "driver":
        # Until Ray starts, the moments are those without Ray.
        begin = next(i for i, moment in enumerate(found) if moment.label == "start gcs_server")
        found = found[begin:]
    strikes(name, found, min(many, 8), steps, code, options=SHARDS)
