"""Plots with a bar, or a point, for each class or set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from texgen.evaluate.paper.style import BLUE, NARROW, ORANGE, RED, WIDE, new_figure, series_style
from texgen.evaluate.results import Result, run_label

_MAX_BARS = 40
"""Most classes that are drawn as bars with names; more are points without names."""


def plot_knn(result: Result) -> Figure:
    """Validation accuracy of each class."""
    return _plot_classes({"": result["per_class"]}, result["top1"], "validation accuracy (%)")


def plot_texture_accuracy(results: Sequence[Result]) -> Figure:
    """Accuracy of each class on textures, for several runs."""
    per_run = {}
    for number, result in enumerate(results):
        name = run_label(result["config"])
        per_run[f"{name} ({number + 1})" if name in per_run else name] = result["per_class"]
    return _plot_classes(per_run, results[0]["chance"], "accuracy on textures (%)", "chance")


def _plot_classes(
    results: Mapping[str, Mapping[str, Any]], line: float, label: str, line_name: str = "all"
) -> Figure:
    """Accuracies by run and class as bars, or points if there are many classes, and a line across.

    Classes are sorted by the first run's accuracy.
    """
    first = next(iter(results.values()))
    order = sorted(first, key=lambda name: -first[name]["accuracy"])
    places = np.arange(len(order))
    wide = len(order) > 12
    figure, (ax,) = new_figure(WIDE if wide else NARROW, 2.6)
    width = 0.8 / len(results)
    for number, (name, per_class) in enumerate(results.items()):
        known = [n for n, one in enumerate(order) if one in per_class]
        values = [per_class[order[n]]["accuracy"] for n in known]
        errors = [per_class[order[n]]["se"] for n in known]
        style = series_style(number) | {"linestyle": ""}
        if len(order) > _MAX_BARS:
            ax.plot(known, values, label=name, markersize=3, **style)
            continue
        x = places[known] + (number - (len(results) - 1) / 2) * width
        bar_style: dict[str, Any] = {
            "color": style["color"],
            "ecolor": "#333333",
            "error_kw": {"elinewidth": 0.8},
        }
        ax.bar(x, values, width * 0.92, yerr=errors, label=name, **bar_style)
    ax.axhline(line, color="black", linestyle=":", linewidth=1, label=f"{line_name} {line:.1f} %")
    if len(order) > _MAX_BARS:
        ax.set_xlabel(f"{len(order)} classes, sorted")
    else:
        ax.set_xticks(places, order, rotation=40, ha="right", rotation_mode="anchor")
        ax.grid(visible=False, axis="x")
    ax.set(ylabel=label)
    ax.set_ylim(0)
    ax.legend()
    return figure


def plot_ood(result: Result) -> Figure:
    """Accuracy on each set, and with corruptions."""
    corrupted = result["corrupted"]
    parts = [bool(result["sets"]), bool(corrupted)]
    figure, axes = new_figure(NARROW if sum(parts) < 2 else WIDE, 2.7, sum(parts))
    if result["sets"]:
        ax = axes.pop(0)
        _plot_sets(ax, result["sets"], BLUE)
        _plot_paper(ax, list(result["sets"]), result["paper"])
    if corrupted:
        ax = axes.pop(0)
        names = list(corrupted["accuracy"])
        for number, severity in enumerate((1, 3, 5)):
            values = [corrupted["accuracy"][name][severity - 1] for name in names]
            style = series_style(number) | {"linestyle": "", "label": f"severity {severity}"}
            ax.plot(values, range(len(names)), **style)
        ax.axvline(corrupted["mean"], color="black", linestyle=":", linewidth=1)
        title = f"mean {corrupted['mean']:.1f} %"
        title += f", mCE {corrupted['mce']:.1f} %" if corrupted["mce"] is not None else ""
        ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        ax.invert_yaxis()
        ax.set(title=title, xlabel="accuracy (%)")
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.18), ncols=3)
    return figure


def _plot_sets(ax: Axes, sets: Mapping[str, Any], colour: str) -> None:
    names = list(sets)
    values = [sets[name]["accuracy"] for name in names]
    errors = [sets[name]["se"] for name in names]
    ax.bar(names, values, 0.65, yerr=errors, color=colour, error_kw={"elinewidth": 0.9})
    # Values above the bars would hide the paper's points.
    labels = [f"{name}\n{value:.1f}" for name, value in zip(names, values, strict=True)]
    ax.set_xticks(range(len(names)), labels)
    ax.set(ylabel="accuracy (%)")
    ax.grid(visible=False, axis="x")
    ax.margins(y=0.12)
    # One or two bars would be as wide as the plot.
    middle, half = (len(names) - 1) / 2, max(len(names), 3) / 2
    ax.set_xlim(middle - half, middle + half)


def _plot_paper(ax: Axes, names: Sequence[str], table: dict[str, Any] | None) -> None:
    """Points for the paper's first two complete rows, at the sets that have a column's name."""
    if table is None:
        return
    columns = [title.casefold().split(" ")[0] for title in table["columns"]]
    column_of = {"val": columns.index("in")}
    column_of |= {
        name: columns.index(name.casefold()) for name in names if name.casefold() in columns
    }
    rows = [row for row in table["rows"] if None not in row and "texture" not in row[0]][:2]
    for marker, (title, *values) in zip("sD", rows, strict=True):
        points = [(n, values[column_of[name]]) for n, name in enumerate(names) if name in column_of]
        if points:
            style: dict[str, Any] = {"mfc": "white", "mec": RED, "linestyle": ""}
            ax.plot(*zip(*points, strict=True), marker=marker, label=f"paper: {title}", **style)
            ax.legend()


def plot_fine_coarse(result: Result) -> Figure:
    """Fine and coarse accuracy of each coarse class."""
    figure, (ax,) = new_figure(NARROW, 2.6)
    groups = dict(result["per_group"])
    if len(groups) > 1:
        groups["all"] = {"fine": result["fine"], "coarse": result["coarse"]}
    places = np.arange(len(groups))
    for offset, kind, colour in ((-0.2, "fine", BLUE), (0.2, "coarse", ORANGE)):
        values = [one[kind]["accuracy"] for one in groups.values()]
        errors = [one[kind]["se"] for one in groups.values()]
        label = f"{kind} class right"
        ax.bar(places + offset, values, 0.38, yerr=errors, color=colour, label=label)
    ax.set_xticks(places, list(groups), rotation=25, ha="right", rotation_mode="anchor")
    ax.set(ylabel="accuracy (%)")
    ax.grid(visible=False, axis="x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)
    return figure
