"""The simulation behind docs/scale.md."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scale", ROOT / "benchmarks/simulate_scale.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["scale"] = module
    spec.loader.exec_module(module)
    return module


def test_one_core_takes_the_sum_of_its_shards(scale):
    costs = replace(scale.read_costs(), texture_s=[0.1], idle=0.5)
    found = scale.simulate(1000, 100, scale.Cluster(1, spread=0), costs, seed=0)
    assert found.engines == 1
    assert found.making_s == pytest.approx(10 * (100 * 0.1 + 0.5), rel=1e-3)


def test_slots_share_the_work_evenly(scale):
    costs = replace(scale.read_costs(), texture_s=[0.1], idle=0, task_s=0)
    found = scale.simulate(64_000, 100, scale.Cluster(64, spread=0), costs, seed=0)
    assert found.making_s == pytest.approx(10 * 10)


def test_the_driver_gives_no_more_out_than_it_can(scale):
    costs = replace(scale.read_costs(), texture_s=[1e-6], idle=0, task_s=0.01)
    found = scale.simulate(100_000, 100, scale.Cluster(64), costs, seed=0)
    assert found.making_s == pytest.approx(10, rel=1e-3)


def test_what_is_lost_with_a_node_is_made_again(scale):
    costs = replace(scale.read_costs(), texture_s=[1.0], idle=0)
    safe, lossy = (
        scale.simulate(100_000, 100, scale.Cluster(128, lost_per_hour=lost), costs, seed=1)
        for lost in (0.0, 0.99)
    )
    assert safe.again == 0
    assert lossy.again > 0
    assert lossy.making_s > safe.making_s
    assert lossy.efficiency < safe.efficiency


def test_the_page_has_the_tables_that_it_prints(scale, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["simulate_scale.py"])
    monkeypatch.setattr(scale, "LARGE", 20_000_000)
    scale.main()
    page = (ROOT / "docs" / "scale.md").read_text()
    first = capsys.readouterr().out.split("\n\n")[0]
    for line in first.splitlines()[3:]:
        cores, _, engines, making, whole, efficiency, _ = re.split(r" *\| *", line.strip("| "))
        row = f"| {cores} | {engines} | {making} | {whole} | {efficiency.replace('%', ' %')} |"
        assert row in page
