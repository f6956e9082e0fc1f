"""Collects the figures of runs of pipelines/train/pacs.sh, and prints tables of them.

A row of the CSV is a run. The results in each WORK are added to the rows that exist, so that every
setting that was ever tried stays in the list.

    python benchmarks/pacs_runs.py benchmarks/pacs_runs.csv WORK…
"""

from __future__ import annotations

import csv
import functools
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from texgen.evaluate.paper.sweeps import INCIDENTAL, METRICS, mean_and_error
from texgen.evaluate.results import find_results
from texgen.train.config import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = Path(__file__).parents[1] / "pipelines" / "train" / "pacs.toml"
SHOWN = ("linear", "knn", "ood", "texture-accuracy", "positive", "rel-patch", "rel-texture")
"""Figures among `METRICS` that the paper shows in Tables 1 to 3 and Figs. 7, 6 and 3."""
OF_A_RUN = ("setting", "negatives", "alpha", "seed")
REPORTED = frozenset("34567")
"""Seeds by which no setting was chosen (docs/decisions.md, 28)."""
_APART = INCIDENTAL | {"src", "negatives", "fresh", "alpha", "max_steps"}
_OF_PACS_SH = {"texture_size": 96, "patch_size": 41}
"""Options with which pacs.sh makes fresh textures like those that it builds."""

Row = dict[str, str]
Arm = tuple[str, str, str, bool]
"""Setting, negatives, alpha, and whether the seeds are those for the report."""


def main(table: Path, works: list[str]) -> None:
    """Adds the runs of ``works`` to ``table``, and prints the tables of all runs in it."""
    rows = read_rows(table) if table.exists() else []
    found = [row for work in works for row in rows_of_work(Path(work))]
    write_rows(table, joined(rows, found))
    print(markdown(read_rows(table)))


def setting(config: dict[str, Any]) -> str:
    """Options in which a run differs from the recipe, as ``method moco, queue_size 1024``."""
    usual = _usual() | (_OF_PACS_SH if config.get("fresh") else {})
    differing = sorted(k for k in config.keys() - _APART if config[k] != usual.get(k))
    return ", ".join(f"{k} {config[k]}" for k in differing)


@functools.cache
def _usual() -> dict[str, Any]:
    recipe = {k.replace("-", "_"): v for k, v in tomllib.loads(RECIPE.read_text()).items()}
    return TrainConfig(src="", out="", **recipe).to_dict()


def rows_of_work(work: Path) -> list[Row]:
    """Returns a row for each run of a pacs.sh folder; its textures belong to the setting."""
    built = json.loads((work / "textures" / "index.json").read_text())["config"]
    number = built["textures_per_image"]
    textures = "" if number == 1 else f"textures_per_image {number}"
    return rows_of(find_results([str(work / "results")]).values(), textures)


def rows_of(results: Iterable[dict[str, Any]], textures: str = "") -> list[Row]:
    """Returns a row for each run among results; ``textures`` extends the setting."""
    rows: dict[str, Row] = {}
    for result in (one for one in results if "config" in one):
        config = result["config"]
        negatives = "fresh" if config.get("fresh") else config["negatives"]
        alpha = "" if negatives == "none" else f"{config['alpha']:g}"
        differing = ", ".join(filter(None, (setting(config), textures)))
        about = (differing, negatives, alpha, str(config["seed"]))
        row = rows.setdefault(result["run"], dict(zip(OF_A_RUN, about, strict=True)))
        for name in SHOWN:
            if METRICS[name].kind == result["kind"]:
                value = METRICS[name].value(result)
                row[name] = "" if value is None else f"{value:.4f}"
    return list(rows.values())


def joined(rows: list[Row], more: list[Row]) -> list[Row]:
    """Returns all rows in order, each run once.

    Raises:
        ValueError: If the figures of a run differ between both.
    """
    by_run: dict[tuple[str, ...], Row] = {}
    for row in [*rows, *more]:
        kept = by_run.setdefault(tuple(row[name] for name in OF_A_RUN), {})
        # A run may have been added before all of its evaluations were there.
        given = {name: value for name, value in row.items() if value}
        if any(kept.get(name, value) != value for name, value in given.items()):
            message = f"{row}: another run is there already: {kept}"
            raise ValueError(message)
        kept |= given
    return [by_run[key] for key in sorted(by_run)]


def markdown(rows: list[Row]) -> str:
    """Tables of the means of all runs, and of NS's gain over none of one setting and seeds."""
    return f"{means(rows)}\n\nGains over none, seed by seed:\n\n{gains(rows)}"


def means(rows: list[Row]) -> str:
    """Means and standard errors over seeds of each setting, negatives and alpha."""
    return _table(_arms(rows), sign="")


def gains(rows: list[Row]) -> str:
    """Means and standard errors of differences from no NS, seed by seed, for two seeds or more."""
    arms = _arms(rows)
    found = {}
    for (own, negatives, alpha, reported), runs in arms.items():
        without = {run["seed"]: run for run in arms.get((own, "none", "", reported), [])}
        pairs = [(run, without[run["seed"]]) for run in runs if run["seed"] in without]
        if negatives != "none" and len(pairs) > 1:
            found[own, negatives, alpha, reported] = [_difference(*pair) for pair in pairs]
    return _table(found, sign="+")


def _arms(rows: list[Row]) -> dict[Arm, list[Row]]:
    """Groups runs by setting, negatives and alpha; runs for the report are groups of their own."""
    arms: dict[Arm, list[Row]] = {}
    for row in rows:  # In order, as `joined` left them.
        own, negatives, alpha, seed = (row[name] for name in OF_A_RUN)
        arms.setdefault((own, negatives, alpha, seed in REPORTED), []).append(row)
    return arms


def _difference(run: Row, without: Row) -> Row:
    both = (name for name in SHOWN if run.get(name) and without.get(name))
    return {"seed": run["seed"]} | {
        name: f"{float(run[name]) - float(without[name]):.4f}" for name in both
    }


def _table(arms: dict[Arm, list[Row]], sign: str) -> str:
    lines = ["| setting | NS | alpha | seeds | " + " | ".join(SHOWN) + " |"]
    lines.append("|" + "---|" * (4 + len(SHOWN)))
    for (own, negatives, alpha, reported), runs in arms.items():
        named = (own or "the recipe's") + (", report" if reported else "")
        cells = [named, negatives, alpha, " ".join(run["seed"] for run in runs)]
        for name in SHOWN:
            values = [float(run[name]) for run in runs if run.get(name)]
            cells.append(_mean(values, sign + (".1f" if "(%)" in METRICS[name].label else ".3f")))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: list[float], form: str) -> str:
    if not values:
        return ""
    found = mean_and_error(values)
    spread = "" if found["se"] is None else f" ± {found['se']:{form.lstrip('+')}}"
    return f"{found['mean']:{form}}{spread}"


def read_rows(table: Path) -> list[Row]:
    """Reads the rows of a CSV."""
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(table: Path, rows: list[Row]) -> None:
    """Writes the rows of a CSV."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*OF_A_RUN, *SHOWN], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
