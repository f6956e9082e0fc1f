"""Metrics over alpha or the size of the queue, from the results of many runs (Figs. 4 to 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from texgen.core.errors import ConfigError
from texgen.evaluate.results import Result, run_label

INCIDENTAL = frozenset(
    {"seed", "out", "textures", "device", "workers", "compile"}
    | {"log_every", "checkpoint_every", "keep"}
)
"""Options that do not make a run another experiment: its seed, its device, what it writes."""
_MAY_DIFFER = (
    INCIDENTAL
    | {"alpha", "queue_size", "negatives", "method"}
    | {"textures_split", "missing_texture", "fresh", "fresh_every"}
)
"""Options that may differ between the runs of a sweep."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of the results of one kind, or None in a result that lacks it."""

    label: str
    kind: str
    value: Callable[[Result], float | None]


def _ood(result: Result) -> float | None:
    sets = [one["accuracy"] for name, one in result["sets"].items() if name != "val"]
    return fmean(sets) if sets else None


def _corrupted(field: str) -> Callable[[Result], float | None]:
    return lambda result: (result.get("corrupted") or {}).get(field)


def _rel(kind: str) -> Callable[[Result], float | None]:
    return lambda result: result["eval"]["rel"].get(kind, {}).get("value")


METRICS = {
    "linear": Metric("Linear, top-1 (%)", "linear", lambda r: r["last"]["top1"]),
    "knn": Metric("Neighbours, top-1 (%)", "knn", lambda r: r["top1"]),
    "ood": Metric("Other domains, mean top-1 (%)", "ood", _ood),
    "corrupted": Metric("Corrupted, mean top-1 (%)", "ood", _corrupted("mean")),
    "mce": Metric("mCE (%), lower is better", "ood", _corrupted("mce")),
    "shape-bias": Metric("Shape bias (%)", "shape-bias", lambda r: r["shape_bias"]),
    "texture-accuracy": Metric("Textures, top-1 (%)", "texture-accuracy", lambda r: r["accuracy"]),
    "fine": Metric("Fine classes, top-1 (%)", "fine-coarse", lambda r: r["fine"]["accuracy"]),
    "coarse": Metric("Coarse classes, top-1 (%)", "fine-coarse", lambda r: r["coarse"]["accuracy"]),
    "positive": Metric(
        "Positive cosine", "similarity", lambda r: r["eval"]["cosines"]["positive"]["mean"]
    ),
    "rel-patch": Metric("Relative hardness, patch", "similarity", _rel("patch")),
    "rel-texture": Metric("Relative hardness, texture", "similarity", _rel("texture")),
}


def summarize_sweep(results: Iterable[Result], over: str, metrics: Sequence[str]) -> dict[str, Any]:
    """Mean and standard error over seeds of some of `METRICS` at each value of an option.

    The option, ``over``, is ``alpha`` or ``queue_size``.

    Returns:
        ``metrics``: for each name and each series (method and negatives), points with ``x`` (None
        for runs without NS in a sweep over alpha, which they do not have), ``mean``, ``se`` (None
        for one run) and ``runs``. ``differ``: other options in which the runs differ, which a
        reader must know.

    Raises:
        ConfigError: If no result has one of the metrics, or two results are of the same run.
    """
    # Results of sweeps do not belong to a run.
    results = [result for result in results if "config" in result]
    if over == "queue_size":
        # The other methods have the option too, but no queue.
        results = [result for result in results if result["config"]["method"] == "moco"]
    summary: dict[str, Any] = {}
    used: list[Result] = []
    for name in metrics:
        metric = METRICS[name]
        points: dict[str, dict[float | None, list[float]]] = {}
        runs: set[str] = set()
        for result in (one for one in results if one["kind"] == metric.kind):
            value = metric.value(result)
            if value is not None:
                if result["run"] in runs:
                    raise ConfigError(
                        f"--metric {name}: two results of {metric.kind} are of {result['run']}; "
                        "name one file of that kind for each run"
                    )
                runs.add(result["run"])
                used.append(result)
                series, x = _series_and_x(result["config"], over)
                points.setdefault(series, {}).setdefault(x, []).append(value)
        if not points:
            raise ConfigError(
                f"--metric {name}: no result of {metric.kind} has it; run that evaluation, or name "
                "another metric"
            )
        summary[name] = {series: _points(one) for series, one in sorted(points.items())}
    return {"kind": "sweep", "over": over, "metrics": summary, "differ": _differ(used)}


def _series_and_x(config: dict[str, Any], over: str) -> tuple[str, float | None]:
    if over == "queue_size":
        return run_label(config), config["queue_size"]
    name = run_label(config, alpha=False)
    return name, None if config["negatives"] == "none" else config["alpha"]


def _points(values: dict[float | None, list[float]]) -> list[dict[str, Any]]:
    return [
        {"x": x, **mean_and_error(own), "runs": len(own)}
        for x, own in sorted(values.items(), key=lambda pair: (pair[0] is not None, pair[0]))
    ]


def mean_and_error(values: Sequence[float]) -> dict[str, float | None]:
    """``mean`` and its standard error ``se``, which is None for one value."""
    return {
        "mean": fmean(values),
        "se": stdev(values) / len(values) ** 0.5 if len(values) > 1 else None,
    }


def _differ(results: Sequence[Result]) -> list[str]:
    configs = [one["config"] for one in results]
    names = sorted({name for config in configs for name in config} - _MAY_DIFFER)
    return [n for n in names if len({str(config.get(n)) for config in configs}) > 1]
