"""Accuracy on other domains: any folders of classes, and ImageNet-C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from texgen.evaluate.classes import Mapping, accuracy, judge, match_classes, per_class
from texgen.evaluate.corruption_error import ALEXNET, SEVERITIES, mean_corruption_error
from texgen.evaluate.corruptions import CorruptedLook, open_corrupted
from texgen.evaluate.features import features
from texgen.evaluate.images import CentreLook, EvalTransform, LabelledImages, WholeLook
from texgen.evaluate.knn import Classifier
from texgen.evaluate.run import TrainedRun

_IMAGENET_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of images of another domain.

    Attributes:
        name: Of the domain.
        images: Its images.
        mapping: Of its classes to the classifier's; None goes by their names.
    """

    name: str
    images: LabelledImages
    mapping: Mapping | None = None


def evaluate_domain(
    run: TrainedRun, classifier: Classifier, domain: Domain, look: EvalTransform | None = None
) -> dict[str, Any]:
    """Accuracy on images whose class is one of the classifier's.

    Only classes in common are answers: of ImageNet-R 19 of IN-100's, 200 of IN-1K's.

    Returns:
        `accuracy` with ``classes`` (how many are in common), ``left_out`` (images of other
        classes) and ``per_class``.

    Raises:
        ConfigError: If no class is in common, or one alone.
    """
    images = domain.images
    right = match_classes(images.name, images.classes, classifier.classes, domain.mapping)
    found, labels = features(run, images, look or CentreLook(run.config.size))
    correct, kept = judge(images.name, classifier(found), labels, right)
    return {
        **accuracy(correct),
        "classes": int(right.any(0).sum()),
        "left_out": len(labels) - len(kept),
        "per_class": per_class(correct, kept, images.classes),
    }


def evaluate_corrupted(
    run: TrainedRun,
    classifier: Classifier,
    source: str | LabelledImages,
    names: Sequence[str] = tuple(ALEXNET),
) -> dict[str, Any]:
    """Accuracy with corruptions.

    Args:
        run: The encoder, without its head.
        classifier: On its features.
        source: ImageNet-C's folder, or photographs to corrupt here.
        names: Of the corruptions.

    Returns:
        ``accuracy`` by corruption, at each severity, percent; ``mean``; ``mce`` where all 15 are
        there and the classes are IN-1K's, for which AlexNet's errors are known, else None;
        ``made_here``, which is not ImageNet-C itself.

    Raises:
        ConfigError: If a set is missing or has no class in common.
    """
    found: dict[str, list[float]] = {name: [] for name in names}
    for name, images, look in _corrupted(run, source, names):
        result = evaluate_domain(run, classifier, Domain(name, images), look)
        found[name].append(result["accuracy"])
    whole = len(classifier.classes) == _IMAGENET_CLASSES and set(names) == set(ALEXNET)
    errors = {name: [1 - one / 100 for one in values] for name, values in found.items()}
    return {
        "accuracy": found,
        "mean": fmean(one for values in found.values() for one in values),
        "mce": mean_corruption_error(errors) if whole else None,
        "made_here": isinstance(source, LabelledImages),
    }


def _corrupted(
    run: TrainedRun, source: str | LabelledImages, names: Sequence[str]
) -> Iterator[tuple[str, LabelledImages, EvalTransform]]:
    size = run.config.size
    if isinstance(source, LabelledImages):
        for name in names:
            for severity in SEVERITIES:
                yield name, source, CorruptedLook(size, name, severity)
        return
    for name, sets in open_corrupted(source, names).items():
        for images in sets.values():
            yield name, images, WholeLook(size)
