"""Results as JSON: what each says of its run, and how they are read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from texgen.core.errors import ConfigError

if TYPE_CHECKING:
    from texgen.evaluate.run import TrainedRun

Result = dict[str, Any]
"""``kind``, ``run``, ``step``, ``config`` of the training, and what was found."""


_OF_A_RUN = {"run", "step", "config"}
_HOLDS = {
    "linear": {*_OF_A_RUN, "last", "best"},
    "knn": {*_OF_A_RUN, "top1"},
    "ood": {*_OF_A_RUN, "sets"},
    "similarity": {*_OF_A_RUN, "eval"},
    "shape-bias": {*_OF_A_RUN, "shape_bias"},
    "texture-accuracy": {*_OF_A_RUN, "accuracy"},
    "fine-coarse": {*_OF_A_RUN, "fine", "coarse"},
    "sweep": {"over", "metrics"},
}
"""What a result of each kind has at least."""


def make_result(kind: str, run: TrainedRun, found: dict[str, Any]) -> Result:
    """What a command writes."""
    return {"kind": kind, **run.about(), **found}


def to_json(result: Result) -> str:
    """As it is written: plain JSON, which knows no NaN."""
    return json.dumps(result, indent=1, allow_nan=False)


def describe(config: dict[str, Any], *, alpha: bool = True) -> str:
    """``simclr, patch, alpha = 2``: a run's method and negatives."""
    negatives = config["negatives"]
    if negatives == "none":
        return f"{config['method']}, no NS"
    return f"{config['method']}, {negatives}" + (f", alpha = {config['alpha']:g}" if alpha else "")


def read_result(path: Path, kind: str | None = None) -> Result:
    """A result that was written.

    Args:
        path: Its file.
        kind: What it must be; None takes any.

    Raises:
        ConfigError: If it is none, or of another kind.
    """
    result = _checked(path, _load(path))
    if kind is not None and result["kind"] != kind:
        message = f"{path}: a result of {result['kind']}, not of {kind}"
        raise ConfigError(message)
    return result


def _load(path: Path) -> object:
    """JSON; None where there is none that is whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_of_a_kind(content: object) -> TypeGuard[Result]:
    return isinstance(content, dict) and str(content.get("kind")) in _HOLDS


def _checked(path: Path, content: object) -> Result:
    if _is_of_a_kind(content) and _HOLDS[content["kind"]] <= content.keys():
        return content
    message = f"{path}: damaged, or no result of texgen eval or analyze; make it again, or move it"
    raise ConfigError(message)


def find_results(places: Sequence[str]) -> dict[Path, Result]:
    """The results in files, and in folders with all that is below them, in order of path.

    Raises:
        ConfigError: If a file is no result, or there is none at all.
    """
    found: dict[Path, Result] = {}
    for place in map(Path, places):
        if not place.is_dir():
            found[place] = read_result(place)
            continue
        for path in sorted(place.rglob("*.json")):
            content = _load(path)
            # Whole JSON of something else, such as a run's config, may lie there.
            if content is None or _is_of_a_kind(content):
                found[path] = _checked(path, content)
    if not found:
        message = f"{places[0]}: no JSON of texgen eval or analyze there"
        raise ConfigError(message)
    return found
