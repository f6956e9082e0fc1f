"""The frozen encoder of a training run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import nn

from texgen.train.config import TrainConfig
from texgen.train.models import load_method
from texgen.train.runtime import choose_device


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A run of `texgen train`, ready to be evaluated.

    Attributes:
        location: Folder of the run, or path of a checkpoint.
        config: Config of the training.
        step: Number of training steps done.
        encoder: Encoder in eval mode, without gradients, on ``device``; without its head, unless
            embeddings are measured and not features.
        device: Device that computes.
        workers: Number of processes that read images.
    """

    location: str
    config: TrainConfig
    step: int
    encoder: nn.Module
    device: torch.device
    workers: int


def open_run(
    location: str, device: str | None = None, workers: int = 0, *, head: bool = False
) -> TrainedRun:
    """Loads the encoder that a run trains by gradients, from its last or from a given checkpoint.

    With ``head`` the encoder keeps its head (SimCLR's and BYOL's projector) and gives embeddings
    as the loss sees them. Without it, the encoder gives the features that classifiers get.

    Raises:
        ConfigError: If there is no checkpoint, it is damaged, or the device does not exist.
    """
    target = choose_device(device)
    method, config, step = load_method(location)
    encoder = method.encoder
    if not head:
        encoder.fc = nn.Identity()
    encoder = encoder.to(target).eval().requires_grad_(requires_grad=False)
    return TrainedRun(location, config, step, encoder, target, workers)


def encoder_fingerprint(encoder: nn.Module) -> str:
    """SHA-256 over the names and values of all parameters and buffers.

    A saved linear classifier holds it, so that the classifier is refused with another encoder.
    """
    digests = {
        name: hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        for name, value in encoder.state_dict().items()
    }
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()
