"""Accuracy on other domains: any folders of classes, and ImageNet-C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from texgen.core.errors import ConfigError
from texgen.evaluate.classes import (
    Classifier,
    Mapping,
    accuracy,
    accuracy_per_class,
    correct_predictions,
    match_classes,
)
from texgen.evaluate.corruptions import ALEXNET, SEVERITIES, mean_corruption_error
from texgen.evaluate.features import (
    EvalTransform,
    LabelledImages,
    centre_view,
    corrupted_view,
    extract_features,
    open_folder,
    whole_view,
)
from texgen.evaluate.run import TrainedRun

_IMAGENET_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Domain:
    """A set of images from another domain.

    Attributes:
        name: Name of the domain.
        images: Images of the domain.
        mapping: Pairs of its classes and the classifier's; None matches classes by name.
    """

    name: str
    images: LabelledImages
    mapping: Mapping | None = None


def evaluate_domain(
    run: TrainedRun, classifier: Classifier, domain: Domain, transform: EvalTransform = centre_view
) -> dict[str, Any]:
    """Accuracy on the images whose class is one of the classifier's.

    Only classes in common are possible answers: for ImageNet-R, 19 of IN-100's and 200 of IN-1K's.

    Returns:
        `accuracy` with ``classes`` (how many are in common), ``left_out`` (images of other
        classes) and ``per_class``.

    Raises:
        ConfigError: If no class is in common, or only one.
    """
    images = domain.images
    matches = match_classes(images.name, images.classes, classifier.classes, domain.mapping)
    features, labels = extract_features(run, images, transform)
    correct, kept = correct_predictions(images.name, classifier(features), labels, matches)
    return {
        **accuracy(correct),
        "classes": int(matches.any(0).sum()),
        "left_out": len(labels) - len(kept),
        "per_class": accuracy_per_class(correct, kept, images.classes),
    }


def evaluate_corrupted(
    run: TrainedRun,
    classifier: Classifier,
    source: str | LabelledImages,
    names: Sequence[str] = tuple(ALEXNET),
) -> dict[str, Any]:
    """Accuracy on the images of a folder of ImageNet-C, or on images that are corrupted here.

    Returns:
        ``accuracy`` in percent by corruption, at each severity; ``mean``; ``mce``, which is None
        unless all 15 corruptions are evaluated on IN-1K's classes, for which AlexNet's errors are
        known; ``made_here``, whether the images were corrupted here and are not ImageNet-C itself.

    Raises:
        ConfigError: If a set is missing or has no class in common.
    """
    accuracies: dict[str, list[float]] = {name: [] for name in names}
    for name, images, transform in _corrupted_sets(source, names):
        result = evaluate_domain(run, classifier, Domain(name, images), transform)
        accuracies[name].append(result["accuracy"])
    has_mce = len(classifier.classes) == _IMAGENET_CLASSES and set(names) == set(ALEXNET)
    errors = {name: [1 - one / 100 for one in values] for name, values in accuracies.items()}
    return {
        "accuracy": accuracies,
        "mean": fmean(one for values in accuracies.values() for one in values),
        "mce": mean_corruption_error(errors) if has_mce else None,
        "made_here": isinstance(source, LabelledImages),
    }


def _corrupted_sets(
    source: str | LabelledImages, names: Sequence[str]
) -> list[tuple[str, LabelledImages, EvalTransform]]:
    """Each corruption at each severity: its name, its images and how they are transformed.

    A folder has ``corruption/severity/class``, with or without the published groups. All of its
    sets are opened before the first is evaluated.

    Raises:
        ConfigError: If a corruption or a severity is missing.
    """
    sets: list[tuple[str, LabelledImages, EvalTransform]] = []
    if isinstance(source, LabelledImages):
        for name in names:
            sets += [(name, source, partial(corrupted_view, name, one)) for one in SEVERITIES]
        return sets
    root = Path(source)
    for name in names:
        candidates = (root / name, *sorted(root.glob(f"*/{name}")))
        home = next((path for path in candidates if path.is_dir()), root / name)
        for severity in SEVERITIES:
            if not (home / str(severity)).is_dir():
                raise ConfigError(
                    f"--corrupted {source}: there is no {name}/{severity}; name the folder of "
                    "corruption/severity/class, or fewer --corruption"
                )
        sets += [(name, open_folder(str(home / str(one))), whole_view) for one in SEVERITIES]
    return sets
