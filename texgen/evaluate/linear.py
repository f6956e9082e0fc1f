"""Linear evaluation: a linear classifier on features of a frozen encoder, as MoCo does it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from texgen.core.errors import ConfigError, TexgenError
from texgen.evaluate.classes import accuracy, accuracy_per_class, features_and_labels
from texgen.evaluate.config import LinearConfig
from texgen.evaluate.features import (
    LabelledImages,
    extract_features,
    image_batches,
    image_loader,
)
from texgen.evaluate.run import TrainedRun, encoder_fingerprint
from texgen.train.augment import Augmentation
from texgen.train.pairs import EpochPosition, EpochSampler, sample_rng

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Receives the number of epochs done, of all epochs, and the last epoch's figures."""

EpochBatches = Callable[[int], Iterator[tuple[Tensor, Tensor]]]
"""Gives the batches of an epoch: features (B, F) and labels (B,)."""


class LinearClassifier:
    """Log-probabilities of classes from features; it holds the fingerprint of their encoder."""

    name = "linear"

    def __init__(self, layer: nn.Linear, classes: tuple[str, ...], encoder: str) -> None:
        self.layer, self.classes, self._encoder = layer, classes, encoder

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """(N, F) on the CPU to (N, C)."""
        return F.log_softmax(self.layer(features), dim=1)

    def to_bytes(self) -> bytes:
        """A file for `load_linear` that holds tensors and text only, no pickled code."""
        file = io.BytesIO()
        torch.save(
            {
                "weight": self.layer.weight.detach().cpu(),
                "bias": self.layer.bias.detach().cpu(),
                "classes": list(self.classes),
                "encoder": self._encoder,
            },
            file,
        )
        return file.getvalue()


def load_linear(result: str, run: TrainedRun) -> LinearClassifier:
    """Loads the classifier that `texgen eval linear` saved beside its JSON.

    Raises:
        ConfigError: If it is missing or damaged, or belongs to another encoder.
    """
    path = Path(result).with_suffix(".pt")
    if not path.is_file():
        raise ConfigError(
            f"--linear {result}: {path.name} is not beside it; run texgen eval linear again"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        weight, classes = state["weight"], tuple(state["classes"])
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": state["bias"]})
    except Exception as error:
        raise ConfigError(
            f"{path} is damaged or not a classifier of texgen eval linear; run texgen eval linear "
            "again"
        ) from error
    if state["encoder"] != encoder_fingerprint(run.encoder):
        raise ConfigError(
            f"{path} was trained on another checkpoint than {run.location} at step {run.step}; "
            "run texgen eval linear again"
        )
    return LinearClassifier(layer, classes, state["encoder"])


def train_linear(
    run: TrainedRun,
    train: LabelledImages,
    val: LabelledImages,
    config: LinearConfig,
    on_epoch: OnEpoch = lambda done, total, row: None,
) -> tuple[LinearClassifier, dict[str, Any]]:
    """Trains a classifier, and evaluates it after every epoch on centre views.

    Returns:
        The last epoch's classifier, and the result: ``last``, ``best`` (which is chosen by the
        same images that it is measured on, so its accuracy is slightly too good), ``images``,
        ``classes``, ``options``, ``per_class`` and ``history``; accuracies in percent.

    Raises:
        ConfigError: If ``val`` has a class that ``train`` lacks, or ``train`` is below one batch.
        TexgenError: If the loss is not finite.
    """
    features, labels = features_and_labels(run, val, train.name, train.classes)
    torch.manual_seed(config.seed)
    layer = nn.Linear(features.shape[1], len(train.classes))
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    layer.to(run.device)
    epoch_batches = (_cached if config.cached else _augmented)(run, train, config)
    history = []
    for row in _fit(layer, epoch_batches, config):
        scores = layer.cpu()(features).detach()
        layer.to(run.device)
        history.append(row | _top_accuracies(scores, labels))
        on_epoch(len(history), config.epochs, history[-1])
    correct = scores.argmax(1) == labels
    published = {"epoch", "top1", "top5", "se"}
    best = max(history, key=lambda row: row["top1"])
    result = {
        "last": {k: v for k, v in history[-1].items() if k in published},
        "best": {k: v for k, v in best.items() if k in published},
        "images": {"train": len(train.positions), "val": len(labels)},
        "classes": list(train.classes),
        "options": asdict(config),
        "per_class": accuracy_per_class(correct, labels, train.classes),
        "history": history,
    }
    return LinearClassifier(layer.cpu(), train.classes, encoder_fingerprint(run.encoder)), result


def _fit(
    layer: nn.Linear, epoch_batches: EpochBatches, config: LinearConfig
) -> Iterator[dict[str, float]]:
    """Trains ``layer`` in place; yields the learning rate and the mean loss after each epoch."""
    optimizer = torch.optim.SGD(
        layer.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay
    )
    for epoch in range(config.epochs):
        for group in optimizer.param_groups:
            group["lr"] = config.rate(epoch)
        total, count = 0.0, 0
        for features, labels in epoch_batches(epoch):
            loss = F.cross_entropy(layer(features), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, count = total + float(loss.detach()), count + 1
        if not math.isfinite(total):
            raise TexgenError(f"the loss is {total} in epoch {epoch + 1}: lower --lr {config.lr:g}")
        yield {"epoch": epoch + 1, "lr": config.rate(epoch), "loss": total / count}


def _augmented(run: TrainedRun, train: LabelledImages, config: LinearConfig) -> EpochBatches:
    """Features of random crops and flips, which the encoder computes again in every epoch."""
    augmentation = Augmentation(run.config.size, config.crop_scale, None, grey=0.0, blur=0.0)
    sampler = EpochSampler(train.positions, config.batch_size, config.seed)
    view = partial(_random_view, augmentation, config.seed)
    loader = image_loader(run, train.image_set, view, sampler, config.batch_size)

    def batches_of(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        sampler.begin(epoch)
        for pixels, labels in image_batches(loader, run.device):
            with torch.no_grad():
                features = run.encoder(pixels).float()
            yield features, labels

    return batches_of


def _random_view(
    augmentation: Augmentation, seed: int, image: Image.Image, size: int, draw: EpochPosition
) -> Tensor:
    return augmentation.draw(sample_rng(seed, *draw))(image)


def _cached(run: TrainedRun, train: LabelledImages, config: LinearConfig) -> EpochBatches:
    """Features of one centre view per image, which the encoder computes once."""
    features, labels = extract_features(run, train)
    generator = torch.Generator().manual_seed(config.seed)

    def batches_of(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(features), generator=generator)
        for part in torch.split(order, config.batch_size):
            yield features[part].to(run.device), labels[part].to(run.device)

    return batches_of


def _top_accuracies(scores: Tensor, labels: Tensor) -> dict[str, float]:
    ranked = scores.topk(min(5, scores.shape[1]), dim=1).indices == labels[:, None]
    first = accuracy(ranked[:, 0])
    return {
        "top1": first["accuracy"],
        "se": first["se"],
        "top5": accuracy(ranked.any(1))["accuracy"],
    }
