"""Results as JSON: what each holds about its run, and how they are read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from texgen.core.errors import ConfigError

if TYPE_CHECKING:
    from texgen.evaluate.run import TrainedRun

Result = dict[str, Any]
"""``kind``, ``run``, ``step``, ``config`` of the training, and the fields of the kind."""

_RUN_FIELDS = {"run", "step", "config"}
_FIELDS = {
    "linear": {*_RUN_FIELDS, "last", "best"},
    "knn": {*_RUN_FIELDS, "top1"},
    "ood": {*_RUN_FIELDS, "sets"},
    "similarity": {*_RUN_FIELDS, "eval"},
    "shape-bias": {*_RUN_FIELDS, "shape_bias"},
    "texture-accuracy": {*_RUN_FIELDS, "accuracy"},
    "fine-coarse": {*_RUN_FIELDS, "fine", "coarse"},
    "sweep": {"over", "metrics"},
}
"""Fields that a result of each kind has at least."""


def make_result(kind: str, run: TrainedRun, values: dict[str, Any]) -> Result:
    """The result that a command writes."""
    about = {"run": run.location, "step": run.step, "config": run.config.to_dict()}
    return {"kind": kind, **about, **values}


def to_json(result: Result) -> str:
    """The text of a result's file: standard JSON, which has no NaN."""
    return json.dumps(result, indent=1, allow_nan=False)


def run_label(config: dict[str, Any], *, alpha: bool = True) -> str:
    """Method and negatives of a run, such as ``simclr, patch, alpha = 2``."""
    negatives = config["negatives"]
    if negatives == "none":
        return f"{config['method']}, no NS"
    # Results of before the option existed lack it.
    if config.get("fresh"):
        every = config["fresh_every"]
        negatives = "fresh texture" if every == 1 else f"fresh texture every {every} epochs"
    return f"{config['method']}, {negatives}" + (f", alpha = {config['alpha']:g}" if alpha else "")


def read_result(path: Path, kind: str | None = None) -> Result:
    """Reads a result's file, which must have ``kind`` if one is given.

    Raises:
        ConfigError: If the file is not a result, or is one of another kind.
    """
    result = _checked(path, _load(path))
    if kind is not None and result["kind"] != kind:
        raise ConfigError(f"{path} is a result of {result['kind']}; name one of {kind}")
    return result


def _load(path: Path) -> object:
    """Content of a JSON file; None if it cannot be read or is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _has_kind(content: object) -> TypeGuard[Result]:
    return isinstance(content, dict) and str(content.get("kind")) in _FIELDS


def _checked(path: Path, content: object) -> Result:
    if _has_kind(content) and _FIELDS[content["kind"]] <= content.keys():
        return content
    raise ConfigError(
        f"{path} is damaged or not a result of texgen eval or analyze; run that command again, or "
        "move the file away"
    )


def find_results(locations: Sequence[str]) -> dict[Path, Result]:
    """The results in files, and in folders with all their subfolders, sorted by path.

    Raises:
        ConfigError: If a file is damaged or not a result, or there are no results at all.
    """
    results: dict[Path, Result] = {}
    for location in map(Path, locations):
        if not location.is_dir():
            results[location] = read_result(location)
            continue
        for path in sorted(location.rglob("*.json")):
            content = _load(path)
            # Intact JSON of something else, such as a run's config, is skipped.
            if content is None or _has_kind(content):
                results[path] = _checked(path, content)
    if not results:
        raise ConfigError(
            f"{locations[0]} holds no JSON of texgen eval or analyze; name a folder of results"
        )
    return results
