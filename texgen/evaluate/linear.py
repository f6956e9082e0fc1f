"""Linear evaluation: a linear classifier on features of a frozen encoder, as MoCo does it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from texgen.core.errors import ConfigError, TexgenError
from texgen.evaluate.classes import accuracy, per_class
from texgen.evaluate.config import LinearConfig
from texgen.evaluate.features import features
from texgen.evaluate.images import (
    CentreLook,
    LabelledImages,
    RandomLook,
    batches,
    labels_among,
    make_loader,
)
from texgen.evaluate.run import TrainedRun, check_unchanged, fingerprint
from texgen.train.augment import Augmentation
from texgen.train.pairs import EpochSampler

OnStep = Callable[[int, int, dict[str, float]], None]
"""Called with epochs done, epochs in all, and the last epoch's figures."""

Epoch = Callable[[int], Iterator[tuple[Tensor, Tensor]]]
"""Gives the batches of an epoch: features (B, F) and labels (B,)."""


class LinearClassifier:
    """Log-probabilities of classes from features.

    Args:
        layer: (N, F) to (N, C).
        classes: C names.
        encoder: Fingerprint of the encoder whose features it was trained on.
    """

    name = "linear"

    def __init__(self, layer: nn.Linear, classes: tuple[str, ...], encoder: str) -> None:
        self.layer, self.classes, self._encoder = layer, classes, encoder

    @torch.no_grad()
    def __call__(self, found: Tensor) -> Tensor:
        """(N, F) on the CPU to (N, C)."""
        return F.log_softmax(self.layer(found), dim=1)

    def to_bytes(self) -> bytes:
        """A file for `load_linear`, data alone."""
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
    """The classifier that `texgen eval linear` saved beside its JSON.

    Raises:
        ConfigError: If there is none, or it belongs to another encoder.
    """
    path = Path(result).with_suffix(".pt")
    if not path.is_file():
        message = f"--linear {result}: {path.name} is not beside it; run texgen eval linear again"
        raise ConfigError(message)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        weight, classes = state["weight"], tuple(state["classes"])
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": state["bias"]})
    except Exception as error:
        message = f"{path}: damaged, or no classifier of texgen eval linear; run that again"
        raise ConfigError(message) from error
    if state["encoder"] != fingerprint(run.encoder):
        message = (
            f"{path} was trained on another checkpoint than {run.place} at step {run.step}; "
            "run texgen eval linear again"
        )
        raise ConfigError(message)
    return LinearClassifier(layer, classes, state["encoder"])


def train_linear(
    run: TrainedRun,
    train: LabelledImages,
    val: LabelledImages,
    config: LinearConfig,
    tell: OnStep = lambda done, total, row: None,
) -> tuple[LinearClassifier, dict[str, Any]]:
    """Trains a classifier, and evaluates it after every epoch on centre views.

    Args:
        run: The encoder, without its head.
        train: Photographs to train on.
        val: Photographs to evaluate on, of the same classes or some of them.
        config: How.
        tell: Told after every epoch.

    Returns:
        The last epoch's classifier, and the result: ``last``, ``best`` (chosen by these very
        photographs, so a little too good), ``history``, ``per_class``; accuracies in percent.

    Raises:
        ConfigError: If the splits' classes differ, or there is less than a batch.
        TexgenError: If the loss is no number.
    """
    among = labels_among(val, train.name, train.classes)
    with check_unchanged(run.encoder):
        found, labels = features(run, val, CentreLook(run.config.size))
        labels = among[labels]
        torch.manual_seed(config.seed)
        layer = _new_layer(found.shape[1], len(train.classes)).to(run.device)
        epochs = (_cached if config.cached else _augmented)(run, train, config)
        history = []
        for row in _fit(layer, epochs, config):
            scores = layer.cpu()(found).detach()
            layer.to(run.device)
            history.append(row | _top(scores, labels))
            tell(len(history), config.epochs, history[-1])
    correct = scores.argmax(1) == labels
    keep = {"epoch", "top1", "top5", "se"}
    best = max(history, key=lambda row: row["top1"])
    result = {
        "last": {k: v for k, v in history[-1].items() if k in keep},
        "best": {k: v for k, v in best.items() if k in keep},
        "images": {"train": len(train.positions), "val": len(labels)},
        "classes": list(train.classes),
        "options": asdict(config),
        "per_class": per_class(correct, labels, train.classes),
        "history": history,
    }
    return LinearClassifier(layer.cpu(), train.classes, fingerprint(run.encoder)), result


def _new_layer(size: int, classes: int) -> nn.Linear:
    layer = nn.Linear(size, classes)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def _fit(layer: nn.Linear, epochs: Epoch, config: LinearConfig) -> Iterator[dict[str, float]]:
    """Trains in place; gives the rate and the mean loss after each epoch."""
    optimizer = torch.optim.SGD(
        layer.parameters(), config.lr, config.momentum, weight_decay=config.weight_decay
    )
    for epoch in range(config.epochs):
        for group in optimizer.param_groups:
            group["lr"] = config.rate(epoch)
        total, count = 0.0, 0
        for found, labels in epochs(epoch):
            loss = F.cross_entropy(layer(found), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, count = total + float(loss.detach()), count + 1
        if not math.isfinite(total):
            message = f"the loss is {total} in epoch {epoch + 1}: lower --lr {config.lr:g}"
            raise TexgenError(message)
        yield {"epoch": epoch + 1, "lr": config.rate(epoch), "loss": total / count}


def _augmented(run: TrainedRun, train: LabelledImages, config: LinearConfig) -> Epoch:
    """Random crops and flips, through the encoder anew in every epoch."""
    augmentation = Augmentation(run.config.size, config.crop_scale, None, grey=0.0, blur=0.0)
    draws = EpochSampler(train.positions, config.batch_size, config.seed)
    look = RandomLook(augmentation, config.seed)
    loader = make_loader(run, train.photographs, look, draws, config.batch_size)

    def epoch(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        draws.begin(number)
        for pixels, labels in batches(loader, run.device):
            with torch.no_grad():
                found = run.encoder(pixels).float()
            yield found, labels

    return epoch


def _cached(run: TrainedRun, train: LabelledImages, config: LinearConfig) -> Epoch:
    """One centre view of each photograph, through the encoder once."""
    found, labels = features(run, train, CentreLook(run.config.size))
    generator = torch.Generator().manual_seed(config.seed)

    def epoch(number: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(found), generator=generator)
        for part in torch.split(order, config.batch_size):
            yield found[part].to(run.device), labels[part].to(run.device)

    return epoch


def _top(scores: Tensor, labels: Tensor) -> dict[str, float]:
    ranked = scores.topk(min(5, scores.shape[1]), dim=1).indices == labels[:, None]
    first = accuracy(ranked[:, 0])
    return {
        "top1": first["accuracy"],
        "se": first["se"],
        "top5": accuracy(ranked.any(1))["accuracy"],
    }
