"""Sweeps over many runs, and their plots."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from texgen.core.errors import ConfigError
from texgen.evaluate.paper.sweeps import METRICS, summarize_sweep
from texgen.evaluate.results import find_results, read_result
from texgen.train.config import TrainConfig

_NUMBER = itertools.count()


def result(top1, **options):
    config = TrainConfig(
        src="s", out="o", **{"method": "moco", "negatives": "patch", **options}, batch_size=8
    )
    place = f"runs/{next(_NUMBER)}"
    return {"kind": "linear", "run": place, "config": config.to_dict(), "last": {"top1": top1}}


def test_seeds_are_averaged_with_their_standard_error():
    runs = [result(70.0, alpha=2, seed=0), result(74.0, alpha=2, seed=1), result(60.0, alpha=3)]
    runs += [result(65.0, negatives="none"), {"kind": "knn"} | result(1.0)]
    found = summarize_sweep(runs[:4], "alpha", ["linear"])
    assert found["metrics"]["linear"] == {
        # A run without NS has no alpha, even if its config has one.
        "moco, no NS": [{"x": None, "mean": 65.0, "se": None, "runs": 1}],
        "moco, patch": [
            {"x": 2, "mean": 72.0, "se": pytest.approx(2.0), "runs": 2},
            {"x": 3, "mean": 60.0, "se": None, "runs": 1},
        ],
    }
    assert found["differ"] == []


def test_over_the_queue_each_alpha_is_a_line_and_only_moco_counts():
    runs = [
        result(1.0, queue_size=16),
        result(2.0, queue_size=32),
        result(3.0, queue_size=16, alpha=3),
    ]
    runs.append(result(4.0, method="simclr"))
    found = summarize_sweep(runs, "queue_size", ["linear"])["metrics"]["linear"]
    assert {name: [p["x"] for p in points] for name, points in found.items()} == {
        "moco, patch, alpha = 2": [16, 32],
        "moco, patch, alpha = 3": [16],
    }


def test_fresh_textures_are_series_of_their_own_and_no_other_setting():
    fresh = {"negatives": "texture", "fresh": True}
    runs = [result(1.0, negatives="texture", textures="t"), result(2.0, **fresh)]
    runs += [result(3.0, **fresh, fresh_every=5), result(4.0)]
    del runs[3]["config"]["fresh"]  # as in a result of before the option existed
    found = summarize_sweep(runs, "alpha", ["linear"])
    assert {name: points[0]["mean"] for name, points in found["metrics"]["linear"].items()} == {
        "moco, texture": 1.0,
        "moco, fresh texture": 2.0,
        "moco, fresh texture every 5 epochs": 3.0,
        "moco, patch": 4.0,
    }
    assert found["differ"] == []


def test_other_options_that_differ_are_listed():
    found = summarize_sweep([result(1.0, epochs=2), result(2.0, epochs=3)], "alpha", ["linear"])
    assert found["differ"] == ["epochs"]


def test_two_results_of_one_run_are_not_two_runs():
    one = result(1.0)
    with pytest.raises(ConfigError, match="two results of linear are of runs/"):
        summarize_sweep([one, one], "alpha", ["linear"])


def test_a_metric_that_no_result_has_is_named():
    with pytest.raises(ConfigError, match="--metric knn: no result of knn"):
        summarize_sweep([result(1.0)], "alpha", ["knn"])


def test_a_series_has_one_colour_wherever_it_is_drawn():
    """A series keeps its colour even if some runs lack a metric."""
    from texgen.evaluate.paper.plots import _plot_sweep

    point = [{"x": 1.0, "mean": 1.0, "se": None, "runs": 1}]
    metrics = {"linear": {"b": point}, "knn": {"a": point, "b": point, "c": point}}
    figure = _plot_sweep({"over": "alpha", "metrics": metrics})
    colours = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            colours.setdefault(label, set()).add(handle.lines[0].get_color())
    assert [len(colours[label]) for label in "abc"] == [1, 1, 1]
    assert len(set.union(*colours.values())) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]


def test_joined_results_are_no_runs():
    joined = {"kind": "sweep", "over": "alpha", "metrics": {}}
    found = summarize_sweep([joined, result(1.0, queue_size=16)], "queue_size", ["linear"])
    assert found["metrics"]["linear"]


OTHER = ['{"kind": "other"}', "[1]", "{}"]
"""Intact JSON of something else, such as a run's config."""


@pytest.mark.parametrize("text", ['{"kind": "linear"}', "{", *OTHER])
def test_json_of_something_else_is_no_result(text, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.json is damaged or not a result of texgen eval"):
        read_result(path)
    expected = "no JSON of texgen eval" if text in OTHER else "x.json is damaged or not a result"
    with pytest.raises(ConfigError, match=expected):
        find_results([str(tmp_path)])


def test_the_first_two_dozen_series_are_all_drawn_otherwise():
    from texgen.evaluate.paper.style import series_style

    for level in (False, True):
        styles = [tuple(series_style(n, level=level).items()) for n in range(24)]
        assert len(set(styles)) == 24


def test_the_legend_of_a_sweep_fits_into_the_figure():
    from texgen.evaluate.paper.plots import draw

    point = [{"x": 16.0, "mean": 1.0, "se": None, "runs": 1}]
    names = [f"moco, {kind}, alpha = 2.25" for kind in ("texture", "patch", "other", "more")]
    for count in (1, 4):
        metrics = dict.fromkeys(list(METRICS)[:count], dict.fromkeys(names, point))
        found = {"kind": "sweep", "over": "queue_size", "metrics": metrics}
        with Image.open(io.BytesIO(draw(found)[".png"])) as image:
            pixels = np.asarray(image.convert("L"))
        # Letters that are cut off would touch an edge below the axes.
        edges = pixels[-pixels.shape[0] // 4 :, [0, -1]]
        assert edges.min() > 200
