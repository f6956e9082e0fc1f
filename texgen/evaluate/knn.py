"""Evaluation by the nearest neighbours among the training photographs' features."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.evaluate.classes import accuracy, per_class
from texgen.evaluate.config import KnnConfig
from texgen.evaluate.features import features
from texgen.evaluate.images import CentreLook, LabelledImages, labels_among
from texgen.evaluate.run import TrainedRun

_CHUNK = 1024


class Classifier(Protocol):
    """Answers from features: linear, or by neighbours.

    Attributes:
        name: ``linear`` or ``knn``.
        classes: C names.
    """

    name: str
    classes: tuple[str, ...]

    def __call__(self, found: Tensor) -> Tensor:
        """(N, F) on the CPU to (N, C), logarithms of shares or probabilities."""
        ...


def knn_votes(
    queries: Tensor, bank: Tensor, labels: Tensor, classes: int, k: int, temperature: float
) -> Tensor:
    """The k nearest of the bank vote, each with the weight exp(cosine / temperature).

    Args:
        queries: (N, F) float.
        bank: (M, F) float, M >= k.
        labels: (M,) int64, of the bank.
        classes: C.
        k: Neighbours.
        temperature: Of the weights.

    Returns:
        (N, C), each row with a sum of 1.

    Raises:
        ConfigError: If the bank has less than k.
    """
    if k > len(bank):
        message = f"--k {k}: there are only {len(bank)} training photographs to be neighbours"
        raise ConfigError(message)
    bank = F.normalize(bank, dim=1)
    votes = []
    for part in torch.split(F.normalize(queries, dim=1), _CHUNK):
        near, which = (part @ bank.T).topk(k, dim=1)
        # Shares are the same, and the exponential is not too large for 32 bits.
        weights = ((near - near[:, :1]) / temperature).exp()
        votes.append(torch.zeros(len(part), classes).scatter_add_(1, labels[which], weights))
    return F.normalize(torch.cat(votes), p=1, dim=1)


class KnnClassifier:
    """Votes of neighbours among training photographs.

    Args:
        run: The encoder, without its head.
        train: The photographs.
        config: Number of neighbours, and the temperature of `knn_votes`.

    Raises:
        ConfigError: If there are less than k.
    """

    name = "knn"

    def __init__(self, run: TrainedRun, train: LabelledImages, config: KnnConfig) -> None:
        self.classes = train.classes
        self.learned = train.name
        self.k, self.temperature = config.k, config.temperature
        if self.k > len(train.positions):
            message = (
                f"--k {self.k}: {train.name} has {len(train.positions)} photographs; take less"
            )
            raise ConfigError(message)
        self._bank, self._labels = features(run, train, CentreLook(run.config.size))

    def __call__(self, found: Tensor) -> Tensor:
        """(N, F) to (N, C)."""
        votes = knn_votes(
            found, self._bank, self._labels, len(self.classes), self.k, self.temperature
        )
        return votes.log()


def evaluate_knn(run: TrainedRun, classifier: KnnClassifier, val: LabelledImages) -> dict[str, Any]:
    """Accuracy on centre views of photographs.

    Returns:
        ``top1`` and ``se`` in percent, ``k``, ``temperature``, ``images``, ``per_class``.

    Raises:
        ConfigError: If a photograph's class is none of the classifier's, or there is but one.
    """
    among = labels_among(val, classifier.learned, classifier.classes)
    found, labels = features(run, val, CentreLook(run.config.size))
    labels = among[labels]
    correct = classifier(found).argmax(1) == labels
    whole = accuracy(correct)
    return {
        "top1": whole["accuracy"],
        "se": whole["se"],
        "k": classifier.k,
        "temperature": classifier.temperature,
        "images": whole["images"],
        "classes": list(classifier.classes),
        "per_class": per_class(correct, labels, classifier.classes),
    }
