"""What a classifier relies on: shape or texture (Figs. 6, 7), fine or coarse classes (Fig. 6d)."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.evaluate.classes import Classifier, Mapping, accuracy, match_classes
from texgen.evaluate.features import LabelledImages, extract_features, whole_view
from texgen.evaluate.ood import Domain, evaluate_domain
from texgen.evaluate.run import TrainedRun

_STIMULUS = re.compile(r"([A-Za-z_]+)[0-9]+-([A-Za-z_]+)[0-9]+")

_DOGS = ("n02085620", "n02113978")
"""First and last of ImageNet's 118 breeds of dogs, whose WordNet ids follow each other."""


def measure_shape_bias(
    run: TrainedRun, classifier: Classifier, stimuli: LabelledImages, mapping: Mapping | None = None
) -> dict[str, Any]:
    """Decisions for shape or for texture on images where the two are in conflict.

    The method is that of Geirhos et al. 2019: the probability of a category is the mean over its
    classes, and the category with the largest is the decision. A stimulus counts if its shape and
    its texture differ and the classifier has both categories; the decision is between the
    categories that the classifier has. Stimuli are named ``<shape><n>-<texture><n>``. The mapping
    pairs a category and a class; by default those of the same name.

    Returns:
        Counts ``shape``, ``texture``, ``other`` and ``stimuli``; ``left_out``; ``shape_bias``, the
        percentage of shape among decisions for either (None if there are none) with its standard
        error ``se``; and all but ``left_out`` again in ``per_category`` of the shape.

    Raises:
        ConfigError: If an image has another form of name, or fewer than two categories are known.
    """
    names = [_shape_and_texture(stimuli.image_set.keys[int(p)].as_py()) for p in stimuli.positions]
    categories = sorted({category for pair in names for category in pair})
    members = match_classes(stimuli.name, categories, classifier.classes, mapping)
    known = {name: n for n, name in enumerate(categories) if bool(members[n].any())}
    kept = [n for n, (shape, texture) in enumerate(names) if shape != texture]
    kept = [n for n in kept if set(names[n]) <= known.keys()]
    if not kept:
        raise ConfigError(
            f"{stimuli.name}: no stimulus has a shape and another texture that are both "
            f"categories of the classifier (it has {', '.join(known)})"
        )
    features, _ = extract_features(run, stimuli, whole_view)
    scores = _category_scores(classifier(features[kept]), members)
    scores[:, ~members.any(1)] = -math.inf
    decisions = [categories[n] for n in scores.argmax(1).tolist()]
    counts: dict[str, Counter[str]] = {}
    for n, decision in zip(kept, decisions, strict=True):
        shape, texture = names[n]
        kind = {shape: "shape", texture: "texture"}.get(decision, "other")
        counts.setdefault(shape, Counter())[kind] += 1
    return {
        **_bias(sum(counts.values(), Counter())),
        "left_out": len(names) - len(kept),
        "per_category": {name: _bias(counts[name]) for name in sorted(counts)},
    }


def _shape_and_texture(key: str) -> tuple[str, str]:
    match = _STIMULUS.fullmatch(key.rsplit("/", 1)[-1])
    if match is None:
        raise ConfigError(
            f"{key} is not named like a stimulus; name it <shape><number>-<texture><number>, such "
            "as cat7-clock2"
        )
    return match[1], match[2]


def _category_scores(scores: Tensor, members: Tensor) -> Tensor:
    """(N, C) log-probabilities to (N, K): logarithms of the mean over each category's classes."""
    columns = [scores[:, own].logsumexp(1) - math.log(max(1, int(own.sum()))) for own in members]
    return torch.stack(columns, 1)


def _bias(counts: Counter[str]) -> dict[str, Any]:
    either = counts["shape"] + counts["texture"]
    share = accuracy(torch.arange(either) < counts["shape"]) if either else {}
    return {
        **{kind: counts[kind] for kind in ("shape", "texture", "other")},
        "stimuli": sum(counts.values()),
        "shape_bias": share.get("accuracy"),
        "se": share.get("se"),
    }


def measure_texture_accuracy(
    run: TrainedRun, classifier: Classifier, textures: LabelledImages
) -> dict[str, Any]:
    """Accuracy of each class on textures alone, see `evaluate_domain`, and ``chance``."""
    result = evaluate_domain(run, classifier, Domain("textures", textures), whole_view)
    return {**result, "chance": 100 / result["classes"]}


def dogs(classes: tuple[str, ...]) -> Mapping:
    """Pairs of each of ImageNet's breeds among ``classes`` and the coarse class ``dog``.

    Raises:
        ConfigError: If there is no breed among them.
    """
    pairs = [(name, "dog") for name in classes if _DOGS[0] <= name <= _DOGS[1]]
    if not pairs:
        raise ConfigError(
            f"no class is one of ImageNet's dogs ({_DOGS[0]} to {_DOGS[1]}): name a file of "
            "'class,coarse class' by --mapping"
        )
    return pairs


def _coarse_classes(mapping: Mapping) -> dict[str, str]:
    coarse: dict[str, str] = {}
    for fine, own in mapping:
        if coarse.setdefault(fine, own) != own:
            raise ConfigError(
                f"--mapping: {fine} is {coarse[fine]} in one line and {own} in another; keep one"
            )
    return coarse


def measure_fine_coarse(
    run: TrainedRun, classifier: Classifier, images: LabelledImages, mapping: Mapping
) -> dict[str, Any]:
    """Accuracy of the fine class, and of the coarse class that ``mapping`` pairs with it.

    Any of the classifier's classes may be the answer. Images of classes without a coarse class are
    left out.

    Returns:
        ``fine`` and ``coarse``, each an `accuracy`; both ``per_group``; ``left_out``.

    Raises:
        ConfigError: If no image's class has a coarse class, a class has two, or the classes do not
            match the classifier's.
    """
    match_classes(images.name, images.classes, classifier.classes)
    coarse = _coarse_classes(mapping)
    features, labels = extract_features(run, images)
    answers = [classifier.classes[n] for n in classifier(features).argmax(1).tolist()]
    correct: dict[str, list[tuple[bool, bool]]] = {}
    for label, answer in zip(labels.tolist(), answers, strict=True):
        name = images.classes[label]
        if name in coarse and name in classifier.classes:
            group = coarse[name]
            correct.setdefault(group, []).append((answer == name, coarse.get(answer) == group))
    if not correct:
        raise ConfigError(
            f"{images.name}: no image's class stands first in a line of the mapping; each line "
            "needs 'class,coarse class'"
        )
    overall = _fine_and_coarse([pair for pairs in correct.values() for pair in pairs])
    return {
        **overall,
        "per_group": {
            group: {
                **_fine_and_coarse(correct[group]),
                "classes": sum(own == group for own in coarse.values()),
            }
            for group in sorted(correct)
        },
        "left_out": len(labels) - overall["fine"]["images"],
    }


def _fine_and_coarse(correct: list[tuple[bool, bool]]) -> dict[str, Any]:
    fine, coarse = torch.tensor(correct).T
    return {"fine": accuracy(fine), "coarse": accuracy(coarse)}
