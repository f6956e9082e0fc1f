"""A training run's encoder, frozen, and the proof that it stayed so."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from texgen.core.errors import TexgenError
from texgen.train.config import TrainConfig
from texgen.train.models import load_method
from texgen.train.runtime import choose_device


class ChangedEncoderError(TexgenError):
    """Something wrote to an encoder that is evaluated."""


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A run of `texgen train` as it is evaluated.

    Attributes:
        place: Folder or checkpoint.
        config: Of the training.
        step: Steps that it had done.
        encoder: In eval mode, without gradients, on ``device``.
        device: Where it computes.
        workers: Processes that read images.
    """

    place: str
    config: TrainConfig
    step: int
    encoder: nn.Module
    device: torch.device
    workers: int

    def about(self) -> dict[str, Any]:
        """What every result says of its run."""
        return {"run": self.place, "step": self.step, "config": self.config.to_dict()}


def open_run(
    place: str, device: str | None = None, workers: int = 0, *, head: bool = False
) -> TrainedRun:
    """The encoder that a run trains by gradients.

    Args:
        place: Folder of the run, whose last checkpoint is taken, or a checkpoint.
        device: ``cpu`` or ``cuda``; None takes CUDA where it is.
        workers: Processes that read images.
        head: Whether the encoder keeps its head (SimCLR's and BYOL's projector): embeddings as
            the loss sees them. Without it come the features that classifiers get.

    Raises:
        ConfigError: If there is no checkpoint, it is damaged, or there is no such device.
    """
    where = choose_device(device)
    method, config, step = load_method(place)
    encoder = method.encoder
    if not head:
        encoder.fc = nn.Identity()
    encoder = encoder.to(where).eval().requires_grad_(requires_grad=False)
    return TrainedRun(place, config, step, encoder, where, workers)


def digests(module: nn.Module) -> dict[str, str]:
    """SHA-256 of every parameter and buffer, by name."""
    return {
        name: hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        for name, value in module.state_dict().items()
    }


def fingerprint(module: nn.Module) -> str:
    """One SHA-256 of them all, which tells two encoders apart."""
    return hashlib.sha256(repr(sorted(digests(module).items())).encode()).hexdigest()


@contextlib.contextmanager
def check_unchanged(encoder: nn.Module) -> Iterator[None]:
    """Checks afterwards that every parameter and buffer is what it was.

    Raises:
        ChangedEncoderError: Names those that are not.
    """
    before = digests(encoder)
    yield
    after = digests(encoder)
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed:
        message = (
            f"the encoder was changed while it was evaluated ({', '.join(changed[:3])}"
            f"{', …' if len(changed) > 3 else ''}): the result would be another network's"
        )
        raise ChangedEncoderError(message)
