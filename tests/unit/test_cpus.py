from __future__ import annotations

import os
from pathlib import Path

import pytest

from texgen.cpus import available_cpus


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which this process may run on 8 processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


def version_1(root: Path, quota: str, period: str) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return root


@pytest.mark.usefixtures("eight")
def test_without_a_container_the_affinity_counts_and_not_the_machine(tmp_path):
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
        ("50000 100000", 1), ("1000 100000", 1), ("6400000 100000", 8), ("40000 20000", 2),
        ("nonsense", 8), ("", 8),
    ],
)  # fmt: skip
def test_the_quota_of_a_version_2_group_limits(tmp_path, limit, cpus):
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert available_cpus(tmp_path) == cpus


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("quota", "cpus"), [("-1", 8), ("400000", 4), ("50000", 1), ("990000", 8), ("nonsense", 8)]
)
def test_the_quota_of_a_version_1_group_limits(tmp_path, quota, cpus):
    assert available_cpus(version_1(tmp_path, quota, "100000")) == cpus


def test_this_machine_offers_at_least_one():
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
