"""Disks that fail or fill up in the middle of a build, and OUT on another disk than TMPDIR."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pytest

from tests.faults.conftest import Disks
from tests.faults.matrix import (
    PLAIN,
    SHARDS,
    Disk,
    Fault,
    Matrix,
    MemoryDisk,
    Moment,
    in_words,
    of,
    spread,
)
from tests.faults.table import FaultTable

pytestmark = pytest.mark.usefixtures("no_orphans")

AtMoments = Callable[[list[Moment], int], None]

CODES = (0, 1, 2)
"""Exit code 2 before any work, 1 for a failed build, 0 where the build is already finished."""

ROOM_KB = 2048


def files(role: str, moments: list[Moment]) -> list[Moment]:
    """Moments at which a process changes OUT."""
    return [m for m in of(role, moments) if m.label.split()[0] not in {"list", "read", "start"}]


@pytest.fixture
def fails(matrix: Matrix, disks: Disks, table: FaultTable) -> AtMoments:
    """Lets the disk fail at each moment: it is read-only, and what was not synced is lost."""

    def strike_all(found: list[Moment], number: int) -> None:
        moments = spread(found, number)
        cases, places = [], {}
        for moment in moments:
            disk = disks(Disk, matrix.place())
            fault = Fault([[disk.abort()]], moment, CODES, mend=disk.mend)
            places[id(fault)] = disk.place
            cases.append((moment.label, fault))
        matrix.strike_all(
            cases,
            table=table,
            name=f"disk fails, read-only, what was not synced lost; by a {found[0].role}",
            moment=in_words(moments, found),
            strike=lambda fault: matrix.strike(fault, places[id(fault)]),
        )

    return strike_all


@pytest.fixture
def fills(matrix: Matrix, disks: Disks, table: FaultTable) -> AtMoments:
    """Fills the disk at each moment, as other programs would."""

    def strike_all(found: list[Moment], number: int) -> None:
        moments = spread(found, number)
        cases, places = [], {}
        for moment in moments:
            disk = disks(MemoryDisk, matrix.place(), ROOM_KB)
            fault = Fault([[disk.fill()]], moment, CODES, mend=disk.mend)
            places[id(fault)] = disk.place
            cases.append((moment.label, fault))
        matrix.strike_all(
            cases,
            table=table,
            name=f"disk filled up; by a {found[0].role}",
            moment=in_words(moments, found),
            strike=lambda fault: matrix.strike(fault, places[id(fault)]),
        )

    return strike_all


@pytest.fixture
def limits(matrix: Matrix, table: FaultTable) -> AtMoments:
    """Lets no file grow from each moment on, as ``ulimit -f`` and some quotas do."""

    def strike_all(found: list[Moment], number: int) -> None:
        moments = spread(found, number)
        cases = [(m.label, Fault([[["limit", 1]]], m, CODES)) for m in moments]
        matrix.strike_all(
            cases,
            table=table,
            name=f"files may not grow; in a {found[0].role}",
            moment=in_words(moments, found),
        )

    return strike_all


@pytest.mark.faults
@pytest.mark.parametrize("role", ["driver", "task"])
def test_a_disk_that_fails_keeps_what_is_whole(
    role: str, fails: AtMoments, moments: list[Moment]
) -> None:
    fails(files(role, moments), 2)


@pytest.mark.faults
@pytest.mark.parametrize("role", ["driver", "task"])
def test_a_disk_that_is_filled_up_keeps_what_is_whole(
    role: str, fills: AtMoments, moments: list[Moment]
) -> None:
    fills(files(role, moments), 2)


@pytest.mark.faults
def test_files_that_may_not_grow_end_the_build_in_plain_words(
    limits: AtMoments, moments: list[Moment]
) -> None:
    limits(files("task", moments), 2)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["driver", "task"])
def test_a_disk_that_fails_at_any_moment_keeps_what_is_whole(
    role: str, fails: AtMoments, moments: list[Moment], many: int
) -> None:
    fails(files(role, moments), many)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["driver", "task"])
def test_a_disk_that_is_filled_up_at_any_moment_keeps_what_is_whole(
    role: str, fills: AtMoments, moments: list[Moment], many: int
) -> None:
    fills(files(role, moments), many)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["driver", "task"])
def test_files_that_may_not_grow_at_any_moment_end_the_build_in_plain_words(
    role: str, limits: AtMoments, moments: list[Moment], many: int
) -> None:
    limits(files(role, moments), many)


@pytest.mark.slow
def test_a_disk_of_any_size_keeps_what_is_whole(
    matrix: Matrix, disks: Disks, table: FaultTable, many: int
) -> None:
    cases, places = [], {}
    sizes = spread(range(4, 164, 4), many)
    for kb in sizes:
        disk = disks(MemoryDisk, matrix.place(), kb)
        fault = Fault([], None, CODES, mend=disk.mend)
        places[id(fault)] = disk.place
        cases.append((f"{kb} kB", fault))
    matrix.strike_all(
        cases,
        table=table,
        name="disk too small",
        moment=f"{len(sizes)} sizes of 4 to 160 kB",
        strike=lambda fault: matrix.strike(fault, places[id(fault)]),
    )


OTHERS = pytest.mark.parametrize("out_on_it", [True, False], ids=["OUT", "TMPDIR"])


def on_two_disks(matrix: Matrix, disk: MemoryDisk, out_on_it: bool, options: tuple) -> str:
    here, there = matrix.place(), disk.place
    out, temporary = (there, here) if out_on_it else (here, there)
    # Ray would put its sockets there too, and their paths must be shorter than a test's folder.
    environment = {"TMPDIR": str(temporary), "RAY_TMPDIR": tempfile.gettempdir()}
    return matrix.strike(Fault([], None, [0], options=options, environment=environment), out)


@pytest.mark.faults
@OTHERS
def test_out_and_tmpdir_may_lie_on_two_disks(out_on_it: bool, matrix: Matrix, disks: Disks) -> None:
    on_two_disks(matrix, disks(MemoryDisk, matrix.place(), ROOM_KB), out_on_it, PLAIN)


@pytest.mark.slow
@OTHERS
def test_out_and_tmpdir_may_lie_on_two_disks_of_all_kinds(
    out_on_it: bool, matrix: Matrix, disks: Disks, table: FaultTable
) -> None:
    name = "OUT on another disk than TMPDIR"
    for kind, size in ((MemoryDisk, (65536,)), (Disk, ())):
        for runner, options in (("plain", PLAIN), ("Ray", SHARDS)):
            disk = disks(kind, matrix.place(), *size)
            outcome = on_two_disks(matrix, disk, out_on_it, options)
            what = "OUT" if out_on_it else "TMPDIR"
            table.add(name, f"{what} in memory or on another disk, plain and Ray", outcome)
            assert outcome, runner
