"""The list of runs on PACS: no run is lost, and the table of the results is made from it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from texgen.train.config import TrainConfig

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def runs():
    spec = importlib.util.spec_from_file_location("pacs_runs", ROOT / "benchmarks/pacs_runs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def work_of(runs, folder: Path, seed: int, top1: float, per_image: int = 1, **options) -> Path:
    """A WORK folder with the linear classifier's result of one run."""
    recipe = runs.tomllib.loads(runs.RECIPE.read_text())
    usual = {name.replace("-", "_"): value for name, value in recipe.items()} | options
    config = TrainConfig(src="s", out="o", seed=seed, **usual).to_dict()
    result = {"kind": "linear", "run": f"runs/{seed}", "step": 1, "config": config}
    result |= {"last": {"top1": top1}, "best": {"top1": 99.0}}
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "r.json").write_text(json.dumps(result))
    (folder / "textures").mkdir()
    index = {"config": {"textures_per_image": per_image}}
    (folder / "textures" / "index.json").write_text(json.dumps(index))
    return folder


def test_runs_are_added_and_averaged_by_what_was_set(runs, tmp_path, capsys):
    works = [
        work_of(runs, tmp_path / "a", 0, 50.0, negatives="patch", alpha=1.0),
        work_of(runs, tmp_path / "b", 1, 60.0, negatives="patch", alpha=1.0, max_steps=9),
        work_of(runs, tmp_path / "c", 0, 40.0, colour_jitter=False),
    ]
    table = tmp_path / "t.csv"
    runs.main(table, [str(works[0])])
    runs.main(table, [str(one) for one in works])
    printed = capsys.readouterr().out.rpartition("\n\nGains")[0].splitlines()
    assert "| the recipe's | patch | 1 | 0 1 | 55.0 ± 5.0 |" in printed[-2]
    assert "| colour_jitter False | none |  | 0 | 40.0 |" in printed[-1]
    assert len(runs.read_rows(table)) == 3


def test_fresh_textures_are_negatives_of_their_own_in_the_setting_of_built_ones(runs, tmp_path):
    made = {"negatives": "texture", "alpha": 2.0, "fresh": True, "patch_size": 41}
    works = [
        work_of(runs, tmp_path / "a", 0, 50.0, negatives="texture", textures="t", alpha=2.0),
        work_of(runs, tmp_path / "b", 0, 52.0, **made, texture_size=96),
        work_of(runs, tmp_path / "c", 1, 54.0, **made, texture_size=64),
    ]
    rows = [row for work in works for row in runs.rows_of_work(work)]
    assert [(row["setting"], row["negatives"], row["alpha"]) for row in rows] == [
        ("", "texture", "2"),
        ("", "fresh", "2"),
        ("texture_size 64", "fresh", "2"),
    ]


def test_gains_are_seed_by_seed_and_those_of_the_report_by_themselves(runs, tmp_path):
    table = tmp_path / "t.csv"
    without = {0: 50.0, 1: 60.0, 2: 55.0, 3: 70.0, 4: 80.0}
    gained = {0: 1.0, 1: 3.0, 3: -2.0, 4: -3.0}
    for seed, top1 in without.items():
        runs.main(table, [str(work_of(runs, tmp_path / f"none{seed}", seed, top1))])
    for seed, more in gained.items():
        arm = {"negatives": "patch", "alpha": 1.0}
        work = work_of(runs, tmp_path / f"patch{seed}", seed, without[seed] + more, **arm)
        runs.main(table, [str(work)])
    printed = [
        line.partition(" |  |")[0] for line in runs.gains(runs.read_rows(table)).splitlines()
    ]
    assert printed[2:] == [
        "| the recipe's | patch | 1 | 0 1 | +2.0 ± 1.0",
        "| the recipe's, report | patch | 1 | 3 4 | -2.5 ± 0.5",
    ]
    assert "| the recipe's | none |  | 0 1 2 | 55.0 ± 2.9 |" in runs.means(runs.read_rows(table))


def test_a_run_on_other_textures_is_another_setting_and_one_with_more_workers_is_not(
    runs, tmp_path
):
    table = tmp_path / "t.csv"
    with_textures = {"negatives": "texture", "textures": "t"}
    works = [
        work_of(runs, tmp_path / "a", 0, 50.0, **with_textures),
        work_of(runs, tmp_path / "b", 0, 60.0, per_image=4, **with_textures),
        work_of(runs, tmp_path / "c", 1, 40.0, workers=2, **with_textures),
    ]
    runs.main(table, [str(one) for one in works])
    assert [row["setting"] for row in runs.read_rows(table)] == ["", "", "textures_per_image 4"]


def test_a_run_with_other_figures_does_not_take_ones_place(runs, tmp_path):
    table = tmp_path / "t.csv"
    runs.main(table, [str(work_of(runs, tmp_path / "a", 0, 50.0))])
    before = table.read_text()
    with pytest.raises(ValueError, match="another run is there already"):
        runs.main(table, [str(work_of(runs, tmp_path / "b", 0, 51.0))])
    assert table.read_text() == before


def test_the_table_in_the_results_is_that_of_all_runs(runs):
    rows = runs.read_rows(ROOT / "benchmarks" / "pacs_runs.csv")
    assert runs.markdown(rows) in (ROOT / "benchmarks" / "RESULTS.md").read_text()
