"""Plots for a paper: drawn from results alone, as a vector PDF and a PNG.

Error bars are standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from texgen.evaluate.paper import bars, published_results
from texgen.evaluate.paper.similarity import MODES
from texgen.evaluate.paper.style import (
    BLUE,
    GREEN,
    GREY,
    NARROW,
    ORANGE,
    RED,
    STYLE,
    WIDE,
    new_figure,
    series_style,
    to_file,
)
from texgen.evaluate.paper.sweeps import METRICS
from texgen.evaluate.results import Result

_KINDS = {"positive": GREEN, "negative": GREY, "patch": RED, "texture": BLUE}


def draw(result: Result, beside: Sequence[Result] = ()) -> dict[str, bytes]:
    """Draws the plot of a result as files by suffix: ``.pdf`` and ``.png``.

    A plot of texture accuracy also shows the results of other runs, ``beside``.
    """
    with mpl.rc_context(STYLE):
        if result["kind"] == "texture-accuracy":
            figure = bars.plot_texture_accuracy([result, *beside])
        else:
            figure = _DRAW[result["kind"]](result)
        return {f".{kind}": to_file(figure, kind) for kind in ("pdf", "png")}


def _plot_similarity(result: Result) -> Figure:
    figure, axes = new_figure(WIDE, 2.9, 2)
    titles = {"eval": "Running statistics (eval)", "batch": "Batch statistics (as in training)"}
    for ax, mode in zip(axes, MODES, strict=True):
        measured = result[mode]
        for kind, one in measured["cosines"].items():
            # A result of another version may have another number of bins.
            edges = np.linspace(-1, 1, len(one["counts"]) + 1)
            density = np.asarray(one["counts"]) / (sum(one["counts"]) * (edges[1] - edges[0]))
            rel = measured["rel"].get(kind)
            label = f"{kind} {one['mean']:.3f} ± {one['se']:.3f}"
            label += f", rel {rel['value']:.2f} ± {rel['se']:.2f}" if rel else ""
            ax.stairs(density, edges, fill=True, color=_KINDS[kind], alpha=0.22)
            ax.stairs(density, edges, color=_KINDS[kind], label=label)
        top = ax.get_ylim()[1] * 1.04
        for kind, mean in published_results.FIGURE_2.items():
            if kind in measured["cosines"]:
                ax.plot(mean, top, "v", color=_KINDS[kind], clip_on=False, markersize=5)
        ax.plot([], [], "v", color="black", label=f"mean in {published_results.SOURCE}, Fig. 2")
        ax.set(title=titles[mode], xlabel="cosine to the image's first view", xlim=(-1, 1))
        ax.set_ylim(0, top)
        ax.set_xticks([-1, -0.5, 0, 0.5, 1])
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    axes[0].set_ylabel("density")
    return figure


def _plot_linear(result: Result) -> Figure:
    figure, (ax,) = new_figure(NARROW, 2.4)
    epochs = [row["epoch"] for row in result["history"]]
    for name, colour, line in (("top5", GREY, "--"), ("top1", BLUE, "-")):
        values = [row[name] for row in result["history"]]
        ax.plot(epochs, values, line, color=colour, label=f"top-{name[3:]}")
    for epoch, marker, colour in (("best", "*", ORANGE), ("last", "o", BLUE)):
        one = result[epoch]
        label = f"{epoch}: {one['top1']:.1f} ± {one['se']:.1f} %"
        size = 8 if epoch == "best" else 4
        ax.errorbar(
            *(one["epoch"], one["top1"], one["se"]),
            fmt=marker,
            color=colour,
            markersize=size,
            label=label,
        )
    ax.set(xlabel="epoch of the linear classifier", ylabel="validation accuracy (%)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return figure


def _plot_shape_bias(result: Result) -> Figure:
    figure, (ax,) = new_figure(NARROW, 2.9)
    kept = {k: v for k, v in result["per_category"].items() if v["shape_bias"] is not None}
    order = sorted(kept, key=lambda name: kept[name]["shape_bias"])
    values = [kept[name]["shape_bias"] for name in order]
    errors = [kept[name]["se"] for name in order]
    ax.errorbar(values, range(len(order)), xerr=errors, fmt="o", color=BLUE, elinewidth=0.9)
    if result["shape_bias"] is not None:
        label = f"all: {result['shape_bias']:.1f} ± {result['se']:.1f} %"
        ax.axvline(result["shape_bias"], color="black", linestyle=":", label=label)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14))
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="decisions for shape (% of shape or texture)", xlim=(-2, 102))
    return figure


def _plot_sweep(result: Result) -> Figure:
    names = list(result["metrics"])
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    width = max(NARROW, 2.5 * columns)
    figure, axes = new_figure(width, 2.3 * rows + 0.4, columns, rows)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    label = {"alpha": r"weight of NS, $\alpha$", "queue_size": "keys in the queue"}[result["over"]]
    # Some runs may lack a metric; a series keeps its colour and marker in every panel.
    series_names = sorted({series for one in result["metrics"].values() for series in one})
    legend: dict[str, Any] = {}
    for ax, name in zip(axes, names, strict=False):
        for series, points in result["metrics"][name].items():
            _plot_series(ax, series, points, series_names.index(series))
        if result["over"] == "queue_size":
            ax.set_xscale("log", base=2)
        elif ticks := sorted(
            {p["x"] for one in result["metrics"][name].values() for p in one if p["x"] is not None}
        ):
            ax.set_xticks(ticks, [f"{x:g}" for x in ticks])
        ax.set(xlabel=label, ylabel=METRICS[name].label)
        handles, labels = ax.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    legend = {series: legend[series] for series in series_names}
    # A legend wider than the figure would be cut off.
    longest = max(map(len, legend))
    ncols = max(1, min(4, len(legend), int(width / (0.6 + 0.06 * longest))))
    figure.legend(legend.values(), legend, loc="outside lower center", ncols=ncols)
    return figure


def _plot_series(ax: Axes, name: str, points: Sequence[dict[str, Any]], number: int) -> None:
    for one in (one for one in points if one["x"] is None):
        # A run without NS has no alpha and is drawn as a level.
        style = series_style(number, level=True)
        ax.axhline(one["mean"], label=name, **style)
        if one["se"] is not None:
            low, high = one["mean"] - one["se"], one["mean"] + one["se"]
            ax.axhspan(low, high, color=style["color"], alpha=0.12, linewidth=0)
    rest = [one for one in points if one["x"] is not None]
    if rest:
        errors = [one["se"] or 0.0 for one in rest]
        x, y = [one["x"] for one in rest], [one["mean"] for one in rest]
        style = series_style(number)
        ax.errorbar(x, y, errors, label=name, capsize=2, elinewidth=0.9, **style)


_DRAW: dict[str, Callable[[Result], Figure]] = {
    "similarity": _plot_similarity,
    "linear": _plot_linear,
    "knn": bars.plot_knn,
    "ood": bars.plot_ood,
    "shape-bias": _plot_shape_bias,
    "fine-coarse": bars.plot_fine_coarse,
    "sweep": _plot_sweep,
}
