"""Several builds into one OUT at once, and a build after one that was killed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import wait_until
from tests.faults.matrix import PATIENCE_S, PLAIN, Ended, Matrix, Moment, of, plain_words, spread
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

LOCKING = Moment("driver", "open _build/lock", 1)
NAMING = Moment("driver", "truncate _build/lock", 1)
LAST = Moment("driver", "rename index.json", 1)


def first_to_end(running: list[subprocess.Popen[str]], number: int) -> None:
    """Waits until ``number`` of the builds have ended."""
    deadline = time.monotonic() + PATIENCE_S
    while sum(process.poll() is not None for process in running) < number:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def race(matrix: Matrix, number: int, held: Moment | None = LAST, stale: bool = False) -> None:
    """Starts builds that reach OUT's lock at once; the winner waits until the others have ended.

    Args:
        matrix: Runs the builds.
        number: Number of builds.
        held: Moment at which the winner waits.
        stale: Whether an earlier build was killed while it held the lock.
    """
    place = matrix.place()
    out, meet, ended = place / "out", place / "meet", place / "ended"
    meet.mkdir()
    if stale:
        (out / "_build").mkdir(parents=True)
        about = {"host": socket.gethostname(), "pid": 4_000_000, "since": 0}
        (out / "_build" / "lock").write_text(json.dumps(about))
    steps = [[["meet", str(meet), number]]]
    rules = [matrix.rule(place, LOCKING, steps, number)]
    if held:
        last = matrix.rule(place, held, [[["wait", str(ended)]]])
        rules.append({**last, "token": str(place / "held")})
    settings = matrix.settings(out, rules)
    running = [matrix.start(out, *PLAIN, environment=settings)[0] for _ in range(number)]
    first_to_end(running, number - 1)
    ended.touch()
    said = [process.communicate(timeout=PATIENCE_S) for process in running]
    codes = [process.returncode for process in running]
    assert sorted(codes) == [0] + [2] * (number - 1), (codes, said)
    winner = running[codes.index(0)]
    for process, (output, errors) in zip(running, said, strict=True):
        plain_words(Ended(process.returncode, output, errors, "", process.pid))
        if process is not winner and held != NAMING:
            assert f" is being written by process {winner.pid} on " in errors, errors
        if process is not winner:
            assert "process 4000000" not in errors, "a killed build is named"
            assert errors.count("\n") == 1
    matrix.finished(out)


@pytest.mark.faults
def test_of_two_builds_at_once_one_wins_and_the_other_names_it(matrix: Matrix) -> None:
    race(matrix, 2)
    race(matrix, 3, stale=True)


@pytest.mark.faults
@pytest.mark.parametrize("stale", [False, True])
def test_a_holder_that_has_not_yet_said_its_name_is_not_taken_for_another(
    stale: bool, matrix: Matrix
) -> None:
    race(matrix, 2, held=NAMING, stale=stale)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "runs"), [(2, 30), (4, 10)])
def test_of_many_builds_at_once_one_wins_many_times(
    number: int, runs: int, matrix: Matrix, table: FaultTable
) -> None:
    matrix.strike_all(
        [(f"run {run}", run) for run in range(runs)],
        table=table,
        name=f"{number} builds into one OUT at once",
        moment="all come to its lock together; half with a killed holder's name in it",
        at_once=1,
        strike=lambda run: raced(matrix, number, stale=bool(run % 2)),
    )


def raced(matrix: Matrix, number: int, stale: bool) -> str:
    race(matrix, number, stale=stale)
    return "one wins, the others exit 2 and name it, the same bytes"


def orphan_of(matrix: Matrix, place: Path, moment: Moment) -> psutil.Process:
    """A task of a killed build, suspended in the middle of a shard, as in a slow call."""
    out = place / "out"
    rule = matrix.rule(place, moment, [[["signal", int(signal.SIGSTOP)]]])
    settings = matrix.settings(out, [rule], log=str(place / "log"))
    # No new session, since the kernel would end the suspended processes together with it.
    process, _ = matrix.start(out, *PLAIN, environment=settings, new_session=False)

    def stopped() -> list[psutil.Process]:
        below = psutil.Process(process.pid).children()
        return [task for task in below if task.status() == psutil.STATUS_STOPPED]

    wait_until(lambda: bool(stopped()), process)
    (task,) = stopped()
    process.kill()
    # This does not wait for the end of the output, which the task holds open.
    process.wait(PATIENCE_S)
    process.stdout.close()
    process.stderr.close()
    return task


def after_a_killed_one(matrix: Matrix, at: Moment, then: Moment) -> str:
    """Runs a second build while the task of the killed first one continues."""
    place = matrix.place()
    out = place / "out"
    task = orphan_of(matrix, place, at)
    steps = [[["run", "kill", "-CONT", str(task.pid)]]]
    rule = {**matrix.rule(place, then, steps), "token": str(place / "second")}
    try:
        ended = matrix.run(out, *PLAIN, environment=matrix.settings(out, [rule]))
        assert ended.code == 0, ended.errors
        assert list(place.glob("second.*")), "the task was not woken"
    finally:
        if task.is_running():
            task.resume()
            task.wait(60)
    # The task may end in the middle of a draft after the second build has deleted all drafts; the
    # next build would delete this one.
    for draft in out.glob(f"_build/tmp/*-{task.pid}*"):
        draft.unlink()
    matrix.nothing_unfinished(out)
    matrix.finished(out)
    return "the same bytes"


@pytest.mark.faults
def test_a_build_after_one_that_was_killed_is_not_disturbed_by_its_last_task(
    moments: list[Moment], matrix: Matrix
) -> None:
    linking = next(m for m in of("task", moments) if m.label == "link train/train-000000.tar")
    after_a_killed_one(matrix, linking, Moment("driver", "remove index.json", 1))


@pytest.mark.slow
def test_a_build_after_one_that_was_killed_is_never_disturbed_by_its_last_task(
    moments: list[Moment], matrix: Matrix, table: FaultTable, many: int
) -> None:
    ours = [m for m in of("task", moments) if "train-000000" in m.label and "read" not in m.label]
    ours = spread(ours, min(many, 12))
    drivers = [m for m in of("driver", moments) if m.label.split()[0] != "list"]
    pairs = [(at, then) for at in ours for then in spread(drivers[4:], 4)]
    matrix.strike_all(
        [(f"{at.label}, {then.label}", (at, then)) for at, then in pairs],
        table=table,
        name="SIGKILL of a driver while its task is stopped, a second build at once",
        moment=f"{len(ours)} moments of the task, which goes on at 4 moments of the second build",
        strike=lambda pair: after_a_killed_one(matrix, *pair),
    )


@pytest.mark.slow
def test_a_build_started_right_after_a_kill_goes_on(
    moments: list[Moment], matrix: Matrix, table: FaultTable, many: int
) -> None:
    """The second build does not wait for the tasks of the killed one."""
    chosen = spread(of("task", moments), min(many, 20))
    matrix.strike_all(
        [(moment.label, moment) for moment in chosen],
        table=table,
        name="SIGKILL of a driver, a second build at once",
        moment=f"{len(chosen)} moments of tasks, which still run",
        strike=lambda moment: right_after(matrix, moment),
    )


def right_after(matrix: Matrix, moment: Moment) -> str:
    place = matrix.place()
    out = place / "out"
    kill = ["run", "sh", "-c", "kill -9 $(sed -n 's/^PPid:[^0-9]*//p' /proc/{pid}/status)"]
    settings = matrix.settings(out, [matrix.rule(place, moment, [[kill]])])
    process, _ = matrix.start(out, *PLAIN, environment=settings)
    process.wait(PATIENCE_S)
    ended = matrix.run(out, *PLAIN)
    process.communicate(timeout=PATIENCE_S)
    assert ended.code == 0, ended.errors
    matrix.finished(out)
    return "the same bytes"
