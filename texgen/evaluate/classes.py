"""Classes of image sets and of classifiers: which of them match, and accuracies."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.core.text import decode_text
from texgen.evaluate.features import LabelledImages, extract_features
from texgen.evaluate.run import TrainedRun

Mapping = list[tuple[str, str]]
"""Pairs of a class in one naming and a class in the other; both may occur more than once."""


class Classifier(Protocol):
    """Scores from the features of an encoder without its head: linear, or by nearest neighbours.

    Attributes:
        name: ``linear`` or ``knn``.
        classes: Names of the C classes.
    """

    name: str
    classes: tuple[str, ...]

    def __call__(self, features: Tensor) -> Tensor:
        """(N, F) on the CPU to (N, C), logarithms of probabilities or of shares of votes."""
        ...


def read_mapping(path: str) -> Mapping:
    """Reads a file with lines of ``one,other``; text after # is a comment.

    Raises:
        ConfigError: If the file cannot be read, or a line is not a pair.
    """
    try:
        lines = decode_text(Path(path).read_bytes()).split("\n")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: {error}; name a file whose lines have two classes with a comma between"
        ) from error
    pairs: Mapping = []
    for number, row in enumerate(csv.reader(line.partition("#")[0] for line in lines), 1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            if len(cells) != 2 or not all(cells):
                raise ConfigError(
                    f"{path}, line {number}: expected two classes with a comma between them"
                )
            pairs.append((cells[0], cells[1]))
    return pairs


def match_classes(
    name: str,
    set_classes: Sequence[str],
    classifier_classes: Sequence[str],
    mapping: Mapping | None = None,
) -> Tensor:
    """Which of the classifier's classes are correct for each class of a set.

    Args:
        name: Name of the set for the error.
        set_classes: T classes of the set.
        classifier_classes: C classes of the classifier.
        mapping: Pairs of a set's class and a classifier's; by default those of the same name.

    Returns:
        (T, C) bool.

    Raises:
        ConfigError: If no class matches.
    """
    pairs = set(mapping) if mapping is not None else {(one, one) for one in set_classes}
    matches = torch.tensor(
        [[(one, other) in pairs for other in classifier_classes] for one in set_classes]
    )
    if not matches.any():
        both = (
            f"({', '.join(set_classes[:3])}, …) and the classifier's "
            f"({', '.join(classifier_classes[:3])}, …)"
        )
        if mapping is None:
            message = (
                f"{name}: none of its classes {both} have the same name; name a file of pairs by "
                "--mapping"
            )
        else:
            message = (
                f"{name}: no line of the mapping pairs one of its classes {both}; each line needs "
                "the classes in this order"
            )
        raise ConfigError(message)
    return matches


def correct_predictions(
    name: str, scores: Tensor, labels: Tensor, matches: Tensor
) -> tuple[Tensor, Tensor]:
    """Whether predictions are correct if only classes in common are possible answers.

    Args:
        name: Name of the set for the error.
        scores: (N, C); the largest is the prediction.
        labels: (N,) labels among the T classes of the set.
        matches: (T, C) bool, see `match_classes`.

    Returns:
        (n,) bool and the labels (n,) of the images whose class is in common.

    Raises:
        ConfigError: If no image has a class in common, or only one answer is possible.
    """
    answers = torch.where(matches.any(0))[0]
    if len(answers) < 2:
        raise ConfigError(
            f"{name}: has one class in common with the classifier, so every answer would be "
            "right; name a set with two or more"
        )
    known = matches.any(1)[labels]
    if not known.any():
        raise ConfigError(f"{name}: no image is of a class in common with the classifier")
    scores, labels = scores[known], labels[known]
    predictions = answers[scores[:, answers].argmax(1)]
    return matches[labels, predictions], labels


def features_and_labels(
    run: TrainedRun, images: LabelledImages, trained_on: str, classes: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """The features of images, (n, F), and the labels (n,) that they have among ``classes``.

    These are the classes of a classifier, whose training set has the name ``trained_on``.

    Raises:
        ConfigError: If the class of an image is not known, or there is only one class.
    """
    label = {name: number for number, name in enumerate(classes)}
    present = np.unique(images.image_set.labels[images.positions])
    if missing := [images.classes[n] for n in present if images.classes[n] not in label]:
        raise ConfigError(
            f"{images.name} has classes that {trained_on} has not: {', '.join(missing[:3])}; "
            "take images of the same classes"
        )
    if len(classes) < 2:
        raise ConfigError(
            f"{trained_on} has one class, so every answer would be right; name two or more"
        )
    features, labels = extract_features(run, images)
    return features, torch.tensor([label.get(name, -1) for name in images.classes])[labels]


def accuracy(correct: Tensor) -> dict[str, Any]:
    """``accuracy`` and its standard error ``se``, both in percent, and the number of ``images``."""
    count = len(correct)
    share = float(correct.double().mean()) if count else math.nan
    error = math.sqrt(share * (1 - share) / count) if count else math.nan
    return {"accuracy": 100 * share, "se": 100 * error, "images": count}


def accuracy_per_class(
    correct: Tensor, labels: Tensor, classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """`accuracy` of each class that has images."""
    return {
        name: accuracy(correct[labels == label])
        for label, name in enumerate(classes)
        if bool((labels == label).any())
    }
