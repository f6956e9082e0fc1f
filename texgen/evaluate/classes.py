"""Whose classes are whose: masks, mappings and accuracies."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.core.text import decode_text

Mapping = list[tuple[str, str]]
"""Pairs of a class of one naming and a class of the other; both may occur more than once."""


def read_mapping(path: str) -> Mapping:
    """A file of ``one,other`` a line; what comes after # is a comment.

    Raises:
        ConfigError: If it cannot be read, or a line is no pair.
    """
    try:
        lines = decode_text(Path(path).read_bytes()).split("\n")
    except (OSError, ValueError) as error:
        message = f"{path}: {error}; name a file with two classes a line, a comma between them"
        raise ConfigError(message) from error
    pairs: Mapping = []
    for number, row in enumerate(csv.reader(line.partition("#")[0] for line in lines), 1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            if len(cells) != 2 or not all(cells):
                message = f"{path}, line {number}: expected two classes with a comma between them"
                raise ConfigError(message)
            pairs.append((cells[0], cells[1]))
    return pairs


def match_classes(
    name: str, theirs: Sequence[str], ours: Sequence[str], mapping: Mapping | None = None
) -> Tensor:
    """Which answers are right for the images of each class.

    Args:
        name: Of the set, for the error.
        theirs: Classes of the set.
        ours: Classes of the classifier.
        mapping: Pairs of theirs and ours; by default those of the same name.

    Returns:
        (T, C) bool.

    Raises:
        ConfigError: If they have nothing in common.
    """
    pairs = set(mapping) if mapping is not None else {(one, one) for one in theirs}
    right = torch.tensor([[(one, other) in pairs for other in ours] for one in theirs])
    if not right.any():
        both = f"({', '.join(theirs[:3])}, …) and the classifier's ({', '.join(ours[:3])}, …)"
        if mapping is None:
            message = f"{name}: none of its classes {both} are the same; a mapping says which are"
        else:
            message = f"{name}: no line of the mapping has one of its classes {both}, in this order"
        raise ConfigError(message)
    return right


def judge(name: str, scores: Tensor, labels: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Right or wrong, where only classes in common are answers.

    Args:
        name: Of the set, for the error.
        scores: (N, C), the largest is the answer.
        labels: (N,), of T classes.
        right: (T, C) bool, see `match_classes`.

    Returns:
        (n,) bool and their labels (n,), of the images whose class is in common.

    Raises:
        ConfigError: If there are no such images, or there is but one answer.
    """
    answers = torch.where(right.any(0))[0]
    if len(answers) < 2:
        message = (
            f"{name}: has one class in common with the classifier, and every answer would be "
            "right; name a set with two or more"
        )
        raise ConfigError(message)
    known = right.any(1)[labels]
    if not known.any():
        message = f"{name}: no image is of a class in common with the classifier"
        raise ConfigError(message)
    scores, labels = scores[known], labels[known]
    given = answers[scores[:, answers].argmax(1)]
    return right[labels, given], labels


def accuracy(correct: Tensor) -> dict[str, Any]:
    """``accuracy`` and its standard error ``se`` in percent, and ``images``."""
    count = len(correct)
    share = float(correct.double().mean()) if count else math.nan
    spread = math.sqrt(share * (1 - share) / count) if count else math.nan
    return {"accuracy": 100 * share, "se": 100 * spread, "images": count}


def per_class(correct: Tensor, labels: Tensor, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`accuracy` of each class that has images."""
    return {
        name: accuracy(correct[labels == label])
        for label, name in enumerate(classes)
        if bool((labels == label).any())
    }
