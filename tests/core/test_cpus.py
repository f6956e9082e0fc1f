from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from texgen.core.cpus import available_cpus, ranks_here

Process = Callable[..., Path]


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which this process may run on 8 processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


@pytest.fixture
def process(tmp_path: Path) -> Process:
    """What the kernel says of a process, whose groups and their quotas are made up."""

    def make(version: int, path: str, quotas: dict[str, str], root: str = "/") -> Path:
        point = tmp_path / "a mount"
        for group, quota in {"": "", **quotas}.items():
            (point / group).mkdir(parents=True, exist_ok=True)
            if quota and version == 2:
                (point / group / "cpu.max").write_text(f"{quota}\n")
            elif quota:
                for name, value in zip(("quota", "period"), quota.split(), strict=False):
                    (point / group / f"cpu.cfs_{name}_us").write_text(f"{value}\n")
        line, kind = (f"0::{path}", "cgroup2 cgroup2 rw,nsdelegate"), "cgroup cgroup rw,cpu,cpuacct"
        escaped = str(point).replace(" ", r"\040")
        (tmp_path / "mountinfo").write_text(
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
            f"30 22 0:26 {root} {escaped} rw,nosuid shared:4 - "
            f"{line[1] if version == 2 else kind}\n"
        )
        (tmp_path / "cgroup").write_text(
            f"{line[0]}\n" if version == 2 else f"5:cpu,cpuacct:{path}\n1:name=systemd:/x\n0::/x\n"
        )
        return tmp_path

    return make


@pytest.mark.usefixtures("eight")
def test_without_groups_the_affinity_counts_and_not_the_machine(tmp_path):
    assert available_cpus(tmp_path) == 8


def test_where_there_is_no_affinity_the_machine_counts(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cpus(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus(tmp_path) == 1


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("limit", "cpus"),
    [
        ("max 100000", 8), ("300000 100000", 3), ("350000 100000", 3), ("100000 100000", 1),
        ("150000 100000", 1), ("1000 100000", 1), ("6400000 100000", 8), ("40000 20000", 2),
        ("nonsense", 8), ("", 8),
    ],
)  # fmt: skip
def test_the_quota_of_a_version_2_group_limits(process, limit, cpus):
    assert available_cpus(process(2, "/", {"": limit})) == cpus


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("-1 100000", 8), ("400000 100000", 4), ("150000 100000", 1), ("990000 100000", 8), ("x", 8)],
)
def test_the_quota_of_a_version_1_group_limits(process, quota, cpus):
    assert available_cpus(process(1, "/", {"": quota})) == cpus


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("limited", ["slurm", "slurm/job_7", "slurm/job_7/step_0"])
def test_the_least_quota_on_the_way_up_limits(process, version, limited):
    """Slurm and systemd limit a group, and put the process into one below it."""
    most = "max 100000" if version == 2 else "-1 100000"
    quotas = dict.fromkeys(("", "slurm", "slurm/job_7", "slurm/job_7/step_0"), most)
    quotas |= {"slurm": "600000 100000", limited: "250000 100000", "slurm/job_8": "100000 100000"}
    assert available_cpus(process(version, "/slurm/job_7/step_0", quotas)) == 2


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("path", "root"),
    [
        # A container with a namespace of its own for groups, and without.
        ("/", "/"),
        ("/docker/f00", "/docker/f00"),
        # A process that was moved into a group outside of what its mount shows.
        ("/../beside", "/"),
        ("/elsewhere", "/docker/f00"),
    ],
)
def test_a_container_sees_its_own_group_at_the_root_of_the_mount(process, version, path, root):
    quotas = {"": "300000 100000", "beside": "100000 100000", "elsewhere": "100000 100000"}
    assert available_cpus(process(version, path, quotas, root)) == 3


@pytest.fixture
def group() -> Iterator[Path]:
    """A group that this machine limits to 1.5 processors, with one below it."""
    for mount in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        outer = mount / f"texgen-{uuid.uuid4().hex[:8]}"
        inner = outer / "inner"
        try:
            inner.mkdir(parents=True)
        except OSError:
            continue
        try:
            for name, limit in (("cpu.max", "150000 100000"), ("cpu.cfs_quota_us", "150000")):
                if (outer / name).exists():
                    (outer / name).write_text(limit)
                    yield inner
                    return
        except OSError:
            continue
        finally:
            inner.rmdir()
            outer.rmdir()
    pytest.skip("no control group with a quota can be made here")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor has nothing to limit")
def test_a_process_in_a_group_that_the_kernel_limits_has_its_processors(group):
    ask = "from texgen.core.cpus import available_cpus; print(available_cpus())"
    join = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", join, "sh", group, sys.executable, "-c", ask], capture_output=True, text=True
    )
    assert done.stdout == "1\n", done.stderr


def test_this_machine_offers_at_least_one():
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("variable", "ranks"), [(None, 1), ("4", 4), ("0", 1), ("-2", 1), ("many", 1), ("", 1)]
)
def test_ranks_are_those_that_torchrun_says(variable, ranks, monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if variable is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", variable)
    assert ranks_here() == ranks
