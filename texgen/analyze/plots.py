"""Plots fit for a paper: drawn from results alone, as a vector PDF and a PNG.

Colours are Okabe and Ito's, which colour-blind people tell apart; kinds differ by marker or
line besides. Error bars are standard errors.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from texgen.analyze import paper
from texgen.analyze.similarity import BINS, MODES
from texgen.analyze.sweeps import METRICS
from texgen.evaluate.results import Result, describe

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B6B6B"
_SERIES = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9")
_MARKERS = "osD^vP"
_KINDS = {"positive": GREEN, "negative": GREY, "patch": RED, "texture": BLUE}
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    # Text stays text in a PDF.
    "pdf.fonttype": 42,
}
_WIDE, _NARROW = 6.8, 3.4
"""Two columns of a page and one, inches."""
_NAMED = 40
"""More classes than this have no room for names."""


def draw(result: Result, beside: Sequence[Result] = ()) -> dict[str, bytes]:
    """The plot of a result.

    Args:
        result: As it is written.
        beside: Results of the same kind of other runs; of texture accuracy alone.

    Returns:
        Files by suffix: ``.pdf`` and ``.png``.
    """
    with mpl.rc_context(_STYLE):
        if result["kind"] == "texture-accuracy":
            figure = _texture_accuracy([result, *beside])
        else:
            figure = _DRAW[result["kind"]](result)
        return {f".{kind}": _file(figure, kind) for kind in ("pdf", "png")}


def _file(figure: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    # The same bytes at any time.
    about = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(file, format=kind, dpi=220, metadata=about)
    return file.getvalue()


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure((width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _similarity(result: Result) -> Figure:
    figure, axes = _figure(_WIDE, 2.9, 2)
    titles = {"eval": "Running statistics (eval)", "batch": "Batch statistics (as in training)"}
    edges = np.linspace(-1, 1, BINS + 1)
    for ax, mode in zip(axes, MODES, strict=True):
        found = result[mode]
        for kind, one in found["cosines"].items():
            density = np.asarray(one["counts"]) / (sum(one["counts"]) * (edges[1] - edges[0]))
            rel = found["rel"].get(kind)
            words = f"{kind} {one['mean']:.3f} ± {one['se']:.3f}"
            words += f", rel {rel['value']:.2f} ± {rel['se']:.2f}" if rel else ""
            ax.stairs(density, edges, fill=True, color=_KINDS[kind], alpha=0.22)
            ax.stairs(density, edges, color=_KINDS[kind], label=words)
        top = ax.get_ylim()[1] * 1.04
        for kind, mean in paper.FIGURE_2.items():
            if kind in found["cosines"]:
                ax.plot(mean, top, "v", color=_KINDS[kind], clip_on=False, markersize=5)
        ax.plot([], [], "v", color="black", label=f"mean in {paper.SOURCE}, Fig. 2")
        ax.set(title=titles[mode], xlabel="cosine to the image's first view", xlim=(-1, 1))
        ax.set_ylim(0, top)
        ax.set_xticks([-1, -0.5, 0, 0.5, 1])
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    axes[0].set_ylabel("density")
    return figure


def _linear(result: Result) -> Figure:
    figure, (ax,) = _figure(_NARROW, 2.4)
    epochs = [row["epoch"] for row in result["history"]]
    for name, colour, line in (("top5", GREY, "--"), ("top1", BLUE, "-")):
        values = [row[name] for row in result["history"]]
        ax.plot(epochs, values, line, color=colour, label=f"top-{name[3:]}")
    for which, marker, colour in (("best", "*", ORANGE), ("last", "o", BLUE)):
        one = result[which]
        words = f"{which}: {one['top1']:.1f} ± {one['se']:.1f} %"
        size = 8 if which == "best" else 4
        ax.errorbar(
            *(one["epoch"], one["top1"], one["se"]),
            fmt=marker,
            color=colour,
            markersize=size,
            label=words,
        )
    ax.set(xlabel="epoch of the linear classifier", ylabel="validation accuracy (%)")
    ax.legend()
    return figure


def _knn(result: Result) -> Figure:
    return _class_bars({"": result["per_class"]}, result["top1"], "validation accuracy (%)")


def _texture_accuracy(results: Sequence[Result]) -> Figure:
    named = {}
    for number, one in enumerate(results):
        name = describe(one["config"])
        named[f"{name} ({number + 1})" if name in named else name] = one["per_class"]
    return _class_bars(named, results[0]["chance"], "accuracy on textures (%)", "chance")


def _class_bars(
    results: Mapping[str, Mapping[str, Any]], line: float, label: str, line_name: str = "all"
) -> Figure:
    """Bars a class, sorted by the first result; many classes are points without names."""
    first = next(iter(results.values()))
    order = sorted(first, key=lambda one: -first[one]["accuracy"])
    places = np.arange(len(order))
    wide = len(order) > 12
    figure, (ax,) = _figure(_WIDE if wide else _NARROW, 2.6)
    width = 0.8 / len(results)
    for number, (name, own) in enumerate(results.items()):
        known = [n for n, one in enumerate(order) if one in own]
        values = [own[order[n]]["accuracy"] for n in known]
        spread = [own[order[n]]["se"] for n in known]
        colour = _SERIES[number % len(_SERIES)]
        if len(order) > _NAMED:
            marker = _MARKERS[number % len(_MARKERS)]
            ax.plot(known, values, marker, color=colour, label=name, markersize=3)
            continue
        at = places[known] + (number - (len(results) - 1) / 2) * width
        bars: dict[str, Any] = {
            "color": colour,
            "ecolor": "#333333",
            "error_kw": {"elinewidth": 0.8},
        }
        ax.bar(at, values, width * 0.92, yerr=spread, label=name, **bars)
    ax.axhline(line, color="black", linestyle=":", linewidth=1, label=f"{line_name} {line:.1f} %")
    if len(order) > _NAMED:
        ax.set_xlabel(f"{len(order)} classes, sorted")
    else:
        ax.set_xticks(places, order, rotation=40, ha="right", rotation_mode="anchor")
        ax.grid(visible=False, axis="x")
    ax.set(ylabel=label)
    ax.set_ylim(0)
    ax.legend()
    return figure


def _ood(result: Result) -> Figure:
    corrupted = result["corrupted"]
    parts = [bool(result["sets"]), bool(corrupted)]
    figure, axes = _figure(_NARROW if sum(parts) < 2 else _WIDE, 2.7, sum(parts))
    if result["sets"]:
        ax = axes.pop(0)
        _bars(ax, result["sets"], BLUE)
        _beside(ax, list(result["sets"]), result["paper"])
    if corrupted:
        ax = axes.pop(0)
        names = list(corrupted["accuracy"])
        for number, severity in enumerate((1, 3, 5)):
            values = [corrupted["accuracy"][name][severity - 1] for name in names]
            style: dict[str, Any] = {"color": _SERIES[number], "label": f"severity {severity}"}
            ax.plot(values, range(len(names)), _MARKERS[number], **style)
        ax.axvline(corrupted["mean"], color="black", linestyle=":", linewidth=1)
        title = f"mean {corrupted['mean']:.1f} %"
        title += f", mCE {corrupted['mce']:.1f} %" if corrupted["mce"] is not None else ""
        ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        ax.invert_yaxis()
        ax.set(title=title, xlabel="accuracy (%)")
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.18), ncols=3)
    return figure


def _bars(ax: Axes, sets: Mapping[str, Any], colour: str) -> None:
    names = list(sets)
    values = [sets[name]["accuracy"] for name in names]
    spread = [sets[name]["se"] for name in names]
    ax.bar(names, values, 0.65, yerr=spread, color=colour, error_kw={"elinewidth": 0.9})
    for place, (value, error) in enumerate(zip(values, spread, strict=True)):
        ax.annotate(
            f"{value:.1f}", (place, value + error), (0, 2), textcoords="offset points", ha="center"
        )
    ax.set_xticks(range(len(names)), names, rotation=25, ha="right", rotation_mode="anchor")
    ax.set(ylabel="accuracy (%)")
    ax.grid(visible=False, axis="x")
    ax.margins(y=0.12)


def _beside(ax: Axes, names: Sequence[str], table: dict[str, Any] | None) -> None:
    """The paper's first two rows that have all columns, where sets are called as they are."""
    if table is None:
        return
    columns = [one.casefold().split(" ")[0] for one in table["columns"]]
    at = {"val": columns.index("in")}
    at |= {name: columns.index(name.casefold()) for name in names if name.casefold() in columns}
    rows = [row for row in table["rows"] if None not in row and "texture" not in row[0]][:2]
    for marker, (title, *values) in zip("sD", rows, strict=True):
        points = [(n, values[at[name]]) for n, name in enumerate(names) if name in at]
        if points:
            style: dict[str, Any] = {"mfc": "white", "mec": RED, "linestyle": ""}
            ax.plot(*zip(*points, strict=True), marker=marker, label=f"paper: {title}", **style)
            ax.legend()


def _shape_bias(result: Result) -> Figure:
    figure, (ax,) = _figure(_NARROW, 2.9)
    kept = {k: v for k, v in result["per_category"].items() if v["shape_bias"] is not None}
    order = sorted(kept, key=lambda one: kept[one]["shape_bias"])
    values = [kept[one]["shape_bias"] for one in order]
    spread = [kept[one]["se"] for one in order]
    ax.errorbar(values, range(len(order)), xerr=spread, fmt="o", color=BLUE, elinewidth=0.9)
    if result["shape_bias"] is not None:
        words = f"all: {result['shape_bias']:.1f} ± {result['se']:.1f} %"
        ax.axvline(result["shape_bias"], color="black", linestyle=":", label=words)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14))
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="decisions for shape, of those for shape or texture (%)", xlim=(0, 100))
    return figure


def _fine_coarse(result: Result) -> Figure:
    figure, (ax,) = _figure(_NARROW, 2.6)
    groups = dict(result["per_group"])
    if len(groups) > 1:
        groups["all"] = {"fine": result["fine"], "coarse": result["coarse"]}
    places = np.arange(len(groups))
    for offset, kind, colour in ((-0.2, "fine", BLUE), (0.2, "coarse", ORANGE)):
        values = [one[kind]["accuracy"] for one in groups.values()]
        spread = [one[kind]["se"] for one in groups.values()]
        label = f"{kind} class right"
        ax.bar(places + offset, values, 0.38, yerr=spread, color=colour, label=label)
    ax.set_xticks(places, list(groups), rotation=25, ha="right", rotation_mode="anchor")
    ax.set(ylabel="accuracy (%)")
    ax.grid(visible=False, axis="x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)
    return figure


def _sweep(result: Result) -> Figure:
    names = list(result["metrics"])
    figure, axes = _figure(max(_NARROW, 2.5 * len(names)), 2.7, len(names))
    label = {"alpha": r"weight of NS, $\alpha$", "queue_size": "keys in the queue"}[result["over"]]
    for ax, name in zip(axes, names, strict=True):
        for number, (series, points) in enumerate(result["metrics"][name].items()):
            style: dict[str, Any] = {
                "color": _SERIES[number % len(_SERIES)],
                "marker": _MARKERS[number % len(_MARKERS)],
                "label": series,
            }
            _one_series(ax, points, style)
        if result["over"] == "queue_size":
            ax.set_xscale("log", base=2)
        elif tried := sorted(
            {p["x"] for one in result["metrics"][name].values() for p in one if p["x"] is not None}
        ):
            ax.set_xticks(tried, [f"{x:g}" for x in tried])
        ax.set(xlabel=label, ylabel=METRICS[name].label)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return figure


def _one_series(ax: Axes, points: Sequence[dict[str, Any]], style: dict[str, Any]) -> None:
    flat = [one for one in points if one["x"] is None]
    for one in flat:
        # A run without NS has no alpha: a level.
        ax.axhline(one["mean"], color=style["color"], linestyle="--", label=style["label"])
        if one["se"] is not None:
            low, high = one["mean"] - one["se"], one["mean"] + one["se"]
            ax.axhspan(low, high, color=style["color"], alpha=0.12, linewidth=0)
    rest = [one for one in points if one["x"] is not None]
    if rest:
        spread = [one["se"] or 0.0 for one in rest]
        x, y = [one["x"] for one in rest], [one["mean"] for one in rest]
        ax.errorbar(x, y, spread, capsize=2, elinewidth=0.9, **style)


_DRAW: dict[str, Callable[[Result], Figure]] = {
    "similarity": _similarity,
    "linear": _linear,
    "knn": _knn,
    "ood": _ood,
    "shape-bias": _shape_bias,
    "fine-coarse": _fine_coarse,
    "sweep": _sweep,
}
