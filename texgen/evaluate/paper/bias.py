"""What a classifier goes by: shape or texture (Figs. 6, 7), fine or coarse classes (Fig. 6d)."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.evaluate.classes import Mapping, accuracy, match_classes
from texgen.evaluate.features import features
from texgen.evaluate.images import CentreLook, LabelledImages, WholeLook
from texgen.evaluate.knn import Classifier
from texgen.evaluate.ood import Domain, evaluate_domain
from texgen.evaluate.run import TrainedRun

_STIMULUS = re.compile(r"([A-Za-z_]+)[0-9]+-([A-Za-z_]+)[0-9]+")

DOGS = ("n02085620", "n02113978")
"""First and last of ImageNet's 118 breeds of dogs, which follow each other in WordNet."""


def shape_bias(
    run: TrainedRun, classifier: Classifier, stimuli: LabelledImages, mapping: Mapping | None = None
) -> dict[str, Any]:
    """Decisions for shape and for texture where the two say different things.

    After Geirhos et al. 2019: a category's probability is the mean of its classes', the largest
    is the decision. Stimuli count whose shape and texture differ and are categories that the
    classifier has; only those categories are decided between.

    Args:
        run: The encoder, without its head.
        classifier: On its features.
        stimuli: Images called ``<shape><n>-<texture><n>`` in folders of their shape.
        mapping: Pairs of a category and a class; by default those of the same name.

    Returns:
        Counts ``shape``, ``texture``, ``other`` and ``stimuli``; ``left_out``; ``shape_bias``, the
        share of shape among decisions for either, percent (None where there are none) with its
        standard error ``se``; the same ``per_category`` of the shape.

    Raises:
        ConfigError: If an image is named otherwise, or fewer than two categories are there.
    """
    names = [_parts(stimuli.photographs.keys[int(p)].as_py()) for p in stimuli.positions]
    categories = sorted({one for pair in names for one in pair})
    members = match_classes(stimuli.name, categories, classifier.classes, mapping)
    known = {one: n for n, one in enumerate(categories) if bool(members[n].any())}
    kept = [n for n, (shape, texture) in enumerate(names) if shape != texture]
    kept = [n for n in kept if set(names[n]) <= known.keys()]
    if not kept:
        message = (
            f"{stimuli.name}: no stimulus has a shape and another texture that are both "
            f"categories of the classifier (it has {', '.join(known)})"
        )
        raise ConfigError(message)
    found, _ = features(run, stimuli, WholeLook(run.config.size))
    scores = _by_category(classifier(found[kept]), members)
    scores[:, ~members.any(1)] = -math.inf
    decisions = [categories[n] for n in scores.argmax(1).tolist()]
    tally: dict[str, Counter[str]] = {}
    for n, decision in zip(kept, decisions, strict=True):
        shape, texture = names[n]
        kind = {shape: "shape", texture: "texture"}.get(decision, "other")
        tally.setdefault(shape, Counter())[kind] += 1
    return {
        **_bias(sum(tally.values(), Counter())),
        "left_out": len(names) - len(kept),
        "per_category": {name: _bias(tally[name]) for name in sorted(tally)},
    }


def _parts(key: str) -> tuple[str, str]:
    match = _STIMULUS.fullmatch(key.rsplit("/", 1)[-1])
    if match is None:
        message = f"{key}: a stimulus is called <shape><number>-<texture><number>, as cat7-clock2"
        raise ConfigError(message)
    return match[1], match[2]


def _by_category(scores: Tensor, members: Tensor) -> Tensor:
    """(N, C) log-probabilities to (N, K): logarithms of the mean of each category's classes."""
    columns = [scores[:, own].logsumexp(1) - math.log(max(1, int(own.sum()))) for own in members]
    return torch.stack(columns, 1)


def _bias(counts: Counter[str]) -> dict[str, Any]:
    either = counts["shape"] + counts["texture"]
    share = counts["shape"] / either if either else None
    spread = math.sqrt(share * (1 - share) / either) if share is not None else None
    return {
        **{kind: counts[kind] for kind in ("shape", "texture", "other")},
        "stimuli": sum(counts.values()),
        "shape_bias": None if share is None else 100 * share,
        "se": None if spread is None else 100 * spread,
    }


def texture_accuracy(
    run: TrainedRun, classifier: Classifier, textures: LabelledImages
) -> dict[str, Any]:
    """Accuracy on textures alone, of each class: see `evaluate_domain`; and ``chance``."""
    look = WholeLook(run.config.size)
    found = evaluate_domain(run, classifier, Domain("textures", textures), look)
    return {**found, "chance": 100 / found["classes"]}


def dogs(classes: tuple[str, ...]) -> Mapping:
    """ImageNet's breeds, all one coarse class.

    Raises:
        ConfigError: If there are none.
    """
    found = [(one, "dog") for one in classes if DOGS[0] <= one <= DOGS[1]]
    if not found:
        message = (
            f"no class is one of ImageNet's dogs ({DOGS[0]} to {DOGS[1]}): name a file of "
            "'class,coarse class' by --mapping"
        )
        raise ConfigError(message)
    return found


def _coarse(mapping: Mapping) -> dict[str, str]:
    coarse: dict[str, str] = {}
    for fine, own in mapping:
        if coarse.setdefault(fine, own) != own:
            message = f"--mapping: {fine} is {coarse[fine]} in one line and {own} in another"
            raise ConfigError(message)
    return coarse


def fine_coarse(
    run: TrainedRun, classifier: Classifier, images: LabelledImages, mapping: Mapping
) -> dict[str, Any]:
    """Whether the fine class is right, and whether the coarse one is.

    Args:
        run: The encoder, without its head.
        classifier: On its features; any of its classes may be the answer.
        images: Photographs; those of classes without a coarse one are left out.
        mapping: Pairs of a fine class and its coarse one.

    Returns:
        ``fine`` and ``coarse``, each an `accuracy`; both ``per_group``; ``left_out``.

    Raises:
        ConfigError: If no photograph's class has a coarse one, one has two, or classes do not
            match.
    """
    match_classes(images.name, images.classes, classifier.classes)
    coarse = _coarse(mapping)
    found, labels = features(run, images, CentreLook(run.config.size))
    given = [classifier.classes[n] for n in classifier(found).argmax(1).tolist()]
    fine: dict[str, list[bool]] = {}
    group: dict[str, list[bool]] = {}
    for label, answer in zip(labels.tolist(), given, strict=True):
        name = images.classes[label]
        own = coarse.get(name)
        if own is not None and name in classifier.classes:
            fine.setdefault(own, []).append(answer == name)
            group.setdefault(own, []).append(coarse.get(answer) == own)
    if not fine:
        message = f"{images.name}: no photograph's class stands first in a line of the mapping"
        raise ConfigError(message)
    whole = [
        accuracy(torch.tensor([one for own in sorted(kind) for one in kind[own]]))
        for kind in (fine, group)
    ]
    return {
        "fine": whole[0],
        "coarse": whole[1],
        "per_group": {
            own: {
                "fine": accuracy(torch.tensor(fine[own])),
                "coarse": accuracy(torch.tensor(group[own])),
                "classes": sum(one == own for one in coarse.values()),
            }
            for own in sorted(fine)
        },
        "left_out": len(labels) - whole[0]["images"],
    }
