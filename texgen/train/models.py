"""Makes the method of a run from its options, with random weights or those of a checkpoint."""

from __future__ import annotations

import json

from torch import nn

from texgen.core.errors import ConfigError
from texgen.train.checkpoint import checked_checkpoint, find_checkpoint, load_checkpoint
from texgen.train.config import METHODS, TrainConfig
from texgen.train.methods import BYOL, Method, MoCo, SimCLR
from texgen.train.networks import mlp, resnet, stem_for

BYOL_HIDDEN = 4096
"""Hidden units of BYOL's projector and predictor (Grill et al. 2020)."""


def make_method(config: TrainConfig) -> Method:
    """Returns the method with random weights.

    Raises:
        ConfigError: If the method or the network is unknown.
    """
    dim = config.embedding

    def head(features: int) -> nn.Module:
        if config.method == "byol":
            return mlp(features, BYOL_HIDDEN, dim, batch_norm=True)
        return mlp(features, features, dim, batch_norm=config.method == "simclr")

    if config.method not in METHODS:
        raise ConfigError(f"--method {config.method}: expected one of {', '.join(METHODS)}")
    stem = config.stem or stem_for(config.size)
    encoder = resnet(config.arch, stem, head, width=config.width, splits=config.bn_splits)
    if config.method == "byol":
        return BYOL(
            encoder, dim=dim, hidden=BYOL_HIDDEN, momentum=config.momentum, alpha=config.alpha
        )
    if config.method == "simclr":
        return SimCLR(encoder, temperature=config.temperature, alpha=config.alpha)
    return MoCo(
        encoder,
        dim=dim,
        queue_size=config.queue_size,
        momentum=config.momentum,
        temperature=config.temperature,
        alpha=config.alpha,
    )


def load_method(place: str) -> tuple[Method, TrainConfig, int]:
    """Loads the method of the checkpoint that `find_checkpoint` finds.

    Returns:
        The method in evaluation mode on the CPU, its config and the number of its steps.

    Raises:
        ConfigError: If there is no checkpoint, or it is damaged.
    """
    path = find_checkpoint(place)
    state = load_checkpoint(path)
    with checked_checkpoint(path):
        config = TrainConfig.from_dict(json.loads(state["config"]))
        method = make_method(config)
        method.load_state_dict(state["method"])
        return method.eval(), config, int(state["step"])
