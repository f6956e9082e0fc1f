"""One page with all results of a folder, which needs no network."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from texgen.core.text import pluralize
from texgen.evaluate.paper import published_results as published
from texgen.evaluate.paper.sweeps import METRICS
from texgen.evaluate.results import Result, run_label
from texgen.report.html.markup import Number, data_uri, document, paragraph, table, text

_TITLES = {
    "linear": "Linear evaluation",
    "knn": "Nearest neighbours",
    "ood": "Other domains",
    "similarity": "Similarities (Figs. 2, 3)",
    "shape-bias": "Shape and texture bias (Fig. 6)",
    "texture-accuracy": "Textures alone (Fig. 7)",
    "fine-coarse": "Fine and coarse classes (Fig. 6d)",
    "sweep": "Sweeps (Figs. 4 to 6)",
}

Rows = list[list[object]]
"""Cells of the rows that a result adds to its section's table, without the run's name."""


def render_results(results: dict[Path, Result]) -> str:
    """Renders the page with results, by the path of their file, and the plots beside these."""
    kinds = [kind for kind in _TITLES if any(one["kind"] == kind for one in results.values())]
    parts = [
        (
            kind,
            _TITLES[kind],
            _section(kind, {p: r for p, r in results.items() if r["kind"] == kind}),
        )
        for kind in kinds
    ]
    runs = len({one["run"] for one in results.values() if "run" in one})
    lead = (
        f"{pluralize(len(results), 'result')} of {pluralize(runs, 'run')}. Accuracies are in "
        "percent; ± is the standard error over images, or over runs in sweeps. The paper's numbers "
        f"are for ImageNet at 224 px after 200 epochs ({published.SOURCE})."
    )
    return document("Evaluation of trained encoders", f'<p class="lead">{lead}</p>', parts)


def _section(kind: str, results: dict[Path, Result]) -> Iterator[str]:
    if kind in _TABLES:
        head, rows = _TABLES[kind]
        cells = [[_run_name(one), *row] for one in results.values() for row in rows(one)]
        yield table("Each run's last checkpoint", ["Run", *head], cells)
    yield from _paper(kind, list(results.values()))
    plots = "".join(_plot(path.with_suffix(".png"), one) for path, one in results.items())
    yield f'<div style="display: flex; flex-wrap: wrap; gap: 20px">{plots}</div>'


def _run_name(result: Result) -> str:
    """Name of a run, with its method, its negatives and its step."""
    label = run_label(result["config"])
    return f"{Path(result['run']).name} ({label}, step {result['step']})"


def _plot(path: Path, result: Result) -> str:
    if not path.is_file():
        return paragraph(f"The plot {text(path.name)} is missing.")
    # A run may have two results of a kind, so the caption begins with the file's name.
    name = text(f"{path.stem}: {_run_name(result)}" if "run" in result else path.stem)
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as file:
        # Half the size in pixels is sharp on fine screens. Plots need white in dark mode too.
        style = f"width: {file.width // 2}px; max-width: 100%; background: #fff"
    image = f'<img src="{data_uri("image/png", data)}" alt="{name}" style="{style}">'
    more = ""
    if result.get("differ"):
        more = f" These runs also differ in: {text(', '.join(result['differ']))}."
    return f"<figure>{image}<figcaption>{name}.{more}</figcaption></figure>"


def _percent(value: float | None, se: float | None = None) -> Number:
    if value is None:
        return Number("-")
    return Number(f"{value:.2f}" if se is None else f"{value:.2f} ± {se:.2f}")


def _linear(result: Result) -> Rows:
    last, best = result["last"], result["best"]
    trained_on = "one cached centre view" if result["options"]["cached"] else "random crops"
    both = [_percent(one["top1"], one["se"]) for one in (last, best)]
    return [[*both, int(best["epoch"]), _percent(last["top5"]), trained_on]]


def _knn(result: Result) -> Rows:
    return [[_percent(result["top1"], result["se"]), result["k"], result["images"]]]


def _ood(result: Result) -> Rows:
    rows: Rows = [
        [name, _percent(one["accuracy"], one["se"]), one["classes"], one["images"], one["left_out"]]
        for name, one in result["sets"].items()
    ]
    if corrupted := result["corrupted"]:
        source = "corrupted here" if corrupted["made_here"] else "ImageNet-C"
        count = len(corrupted["accuracy"])
        blank = [Number("")] * 3
        rows.append([f"{source}, mean of {count} x 5", _percent(corrupted["mean"]), *blank])
        if corrupted["mce"] is not None:
            rows.append([f"{source}, mCE", _percent(corrupted["mce"]), *blank])
    return rows


def _similarity(result: Result) -> Rows:
    rows: Rows = []
    for mode, statistics in (("eval", "running"), ("batch", "batch")):
        for kind, one in result[mode]["cosines"].items():
            rel = result[mode]["rel"].get(kind)
            hardness = Number(f"{rel['value']:.3f} ± {rel['se']:.3f}" if rel else "")
            mean = Number(f"{one['mean']:.4f} ± {one['se']:.4f}")
            rows.append([statistics, kind, mean, hardness])
    return rows


def _shape_bias(result: Result) -> Rows:
    bias = _percent(result["shape_bias"], result["se"])
    return [[bias, *(result[count] for count in ("shape", "texture", "other", "left_out"))]]


def _texture_accuracy(result: Result) -> Rows:
    measured = _percent(result["accuracy"], result["se"])
    return [[measured, _percent(result["chance"]), result["images"]]]


def _fine_coarse(result: Result) -> Rows:
    return [
        [name, *(_percent(one[kind]["accuracy"], one[kind]["se"]) for kind in ("fine", "coarse"))]
        for name, one in result["per_group"].items()
    ]


_TABLES: dict[str, tuple[Sequence[str], Any]] = {
    "linear": (["Last epoch", "Best epoch", "Best at epoch", "Top-5", "Trained on"], _linear),
    "knn": (["Top-1", "k", "Images"], _knn),
    "ood": (["Domain", "Top-1", "Classes in common", "Images", "Left out"], _ood),
    "similarity": (["Statistics", "Cosine to", "Mean", "Relative hardness"], _similarity),
    "shape-bias": (["Shape bias", "Shape", "Texture", "Other", "Left out"], _shape_bias),
    "texture-accuracy": (["Top-1", "Chance", "Textures"], _texture_accuracy),
    "fine-coarse": (["Coarse class", "Fine right", "Coarse right"], _fine_coarse),
}


def _paper(kind: str, results: Sequence[Result]) -> Iterable[str]:
    """Tables of a section beside those of its runs: the paper's numbers, and sweeps' means."""
    if kind in ("linear", "ood"):
        tables = {one["paper"]["name"]: one["paper"] for one in results if one["paper"]}
        for one in tables.values():
            rows = [[n, *(_percent(v) for v in values)] for n, *values in one["rows"]]
            caption = f"{published.SOURCE}, {text(one['name'])}"
            yield table(caption, ["Run", *one["columns"]], rows)
    elif kind == "similarity":
        means = [Number(f"{one:.4f}") for one in published.FIGURE_2.values()]
        rows = [["MoCo-v2, IN-1K (Fig. 2)", *means]]
        for alpha in (0, 2, 3):
            pair = [Number(f"{published.FIGURE_3[k][alpha]:.4f}") for k in ("patch", "texture")]
            rows.append(
                [f"trained with patch NS, alpha = {alpha} (Fig. 3)", *[Number("")] * 2, *pair]
            )
        yield table(f"{published.SOURCE}, mean cosines", ["Run", *published.FIGURE_2], rows)
    elif kind == "sweep" and any("positive" in one["metrics"] for one in results):
        ends = " and ".join(f"{v} at alpha = {k}" for k, v in published.FIGURE_6_POSITIVE.items())
        yield paragraph(f"{published.SOURCE}: the mean positive cosine is {ends}.")
    if kind == "sweep":
        for one in results:
            yield _sweep_table(one)


def _sweep_table(result: Result) -> str:
    rows = [
        [
            series,
            METRICS[name].label,
            "none" if p["x"] is None else f"{p['x']:g}",
            _percent(p["mean"], p["se"]),
            p["runs"],
        ]
        for name, by_series in result["metrics"].items()
        for series, points in by_series.items()
        for p in points
    ]
    return table(
        "Means over runs", ["Series", "Metric", text(result["over"]), "Mean", "Runs"], rows
    )
