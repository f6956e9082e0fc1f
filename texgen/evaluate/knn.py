"""Evaluation by the nearest neighbours among the features of the training images."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.evaluate.classes import accuracy, accuracy_per_class, features_and_labels
from texgen.evaluate.config import KnnConfig
from texgen.evaluate.features import LabelledImages, extract_features
from texgen.evaluate.run import TrainedRun

_CHUNK = 1024


def knn_votes(
    queries: Tensor, bank: Tensor, labels: Tensor, classes: int, k: int, temperature: float
) -> Tensor:
    """Votes of the k nearest features, each with the weight exp(cosine / temperature).

    Args:
        queries: (N, F) float.
        bank: (M, F) float, M >= k.
        labels: (M,) int64 labels of the bank.
        classes: Number of classes C.
        k: Number of neighbours.
        temperature: Temperature of the weights.

    Returns:
        (N, C), each row with a sum of 1.

    Raises:
        ConfigError: If the bank has fewer than k features.
    """
    if k > len(bank):
        raise ConfigError(f"--k {k}: there are only {len(bank)} training images; lower --k")
    bank = F.normalize(bank, dim=1)
    votes = []
    for part in torch.split(F.normalize(queries, dim=1), _CHUNK):
        cosines, neighbours = (part @ bank.T).topk(k, dim=1)
        # Subtracting the largest cosine leaves the shares as they are and keeps the exponential
        # within the range of 32-bit floats.
        weights = ((cosines - cosines[:, :1]) / temperature).exp()
        votes.append(torch.zeros(len(part), classes).scatter_add_(1, labels[neighbours], weights))
    return F.normalize(torch.cat(votes), p=1, dim=1)


class KnnClassifier:
    """Classifier by votes of the nearest training images, see `knn_votes`.

    Raises:
        ConfigError: If there are fewer than k training images.
    """

    name = "knn"

    def __init__(self, run: TrainedRun, train: LabelledImages, config: KnnConfig) -> None:
        self.classes = train.classes
        self.trained_on = train.name
        self.k, self.temperature = config.k, config.temperature
        if self.k > len(train.positions):
            raise ConfigError(
                f"--k {self.k}: {train.name} has {len(train.positions)} images; lower --k"
            )
        self._bank, self._labels = extract_features(run, train)

    def __call__(self, features: Tensor) -> Tensor:
        """(N, F) to (N, C)."""
        votes = knn_votes(
            features, self._bank, self._labels, len(self.classes), self.k, self.temperature
        )
        return votes.log()


def evaluate_knn(run: TrainedRun, classifier: KnnClassifier, val: LabelledImages) -> dict[str, Any]:
    """Accuracy on centre views of images.

    Returns:
        ``top1`` and ``se`` in percent, ``k``, ``temperature``, ``images``, ``classes``,
        ``per_class``.

    Raises:
        ConfigError: If the class of an image is not one of the classifier's, or it has only one.
    """
    features, labels = features_and_labels(run, val, classifier.trained_on, classifier.classes)
    correct = classifier(features).argmax(1) == labels
    overall = accuracy(correct)
    return {
        "top1": overall["accuracy"],
        "se": overall["se"],
        "k": classifier.k,
        "temperature": classifier.temperature,
        "images": overall["images"],
        "classes": list(classifier.classes),
        "per_class": accuracy_per_class(correct, labels, classifier.classes),
    }
