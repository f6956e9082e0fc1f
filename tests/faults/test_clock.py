"""A clock that jumps back and forth while a build runs.

The builds run in plain processes only: no local Ray starts with libfaketime and a wrong clock.
Tasks do the same under both.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.matrix import (
    PLAIN,
    SAME,
    Matrix,
    Moment,
    nothing_runs,
    of,
    plain_words,
    spread,
)
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

JUMPS = ("-400d", "+5000d", "-9590h", "+4995d", "-401d", "-20000d")
"""Jumps from the present; none of them leads to a day of this year."""

Jumping = Callable[..., str]


def library() -> Path:
    """Path of libfaketime where Debian installs it."""
    places = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    found = next(places, None) or next(Path("/usr").glob("lib*/faketime/libfaketimeMT.so.1"), None)
    if found is None:
        pytest.skip("libfaketime is not here (Debian's package faketime)")
    return found


@pytest.fixture
def jumping(matrix: Matrix, moments: list[Moment]) -> Jumping:
    """A build whose clock jumps before each of some moments."""

    def build(role: str, first: int, number: int) -> str:
        place = matrix.place()
        clock = place / "clock"
        clock.write_text(JUMPS[first % len(JUMPS)])
        rules = []
        for index, moment in enumerate(spread(of(role, moments), number)):
            jump = JUMPS[(first + index + 1) % len(JUMPS)]
            # Written in one step, since other processes read it at any time.
            script = f"echo {jump} > {clock}.$$ && mv {clock}.$$ {clock}"
            rule = matrix.rule(place, moment, [[["run", "sh", "-c", script]]])
            rules.append({**rule, "token": str(place / f"jump-{index}")})
        environment = {
            **matrix.settings(place / "out", rules),
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            # An administrator or a time server sets a clock like this.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        ended = matrix.run(place / "out", *PLAIN, environment=environment)
        assert ended.code == 0, ended.errors
        assert len(list(place.glob("jump-*"))) > number / 2, "the clock did not jump"
        assert has_jumped(place / "out" / "_build" / "logs" / "build.log")
        plain_words(ended)
        nothing_runs(ended)
        matrix.finished(place / "out")
        shutil.rmtree(place)
        return SAME

    return build


def has_jumped(log: Path) -> bool:
    """Whether the times in a log differ from those at which it was written."""
    years = {line[:4] for line in log.read_text().splitlines() if line[:2].isdigit()}
    return bool(years) and time.strftime("%Y") not in years


@pytest.mark.faults
@pytest.mark.parametrize("role", ["driver", "task"])
def test_a_clock_that_jumps_changes_no_byte(role: str, jumping: Jumping) -> None:
    jumping(role, 0, 12)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["driver", "task"])
def test_a_clock_that_jumps_at_any_moment_changes_no_byte(
    role: str, jumping: Jumping, matrix: Matrix, table: FaultTable
) -> None:
    matrix.strike_all(
        [(f"run {first}", first) for first in range(6)],
        table=table,
        name=f"clock jumps to and fro, by hours and years; by a {role}",
        moment="before 40 moments of each build",
        strike=lambda first: jumping(role, first, 40),
    )
