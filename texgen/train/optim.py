"""Optimizers and the schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from texgen.core.errors import ConfigError
from texgen.train.config import OPTIMIZERS


class Lars(torch.optim.Optimizer):
    """LARS (You et al. 2017): SGD with a rate of trust |w| / |gradient| for each tensor.

    Rates are clipped at ``lr``, as in solo-learn's configurations for BYOL.

    A parameter group with ``plain`` gets steps of SGD. ``trust`` is a factor on the ratio of norms.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.02,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(groups, {**defaults, "plain": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Takes one step; ``closure`` is not used."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        step = gradient.add(parameter, alpha=group["weight_decay"])
        if not group["plain"]:
            weight_norm, step_norm = parameter.norm(), step.norm()
            # 0 / 0 for a tensor that is not trained yet: the rate is then lr.
            rate = (group["trust"] * weight_norm / (step_norm * group["lr"])).nan_to_num(1.0)
            step = step * torch.where(weight_norm > 0, rate, 1.0).clamp(max=1.0)
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer = state["momentum_buffer"].mul_(group["momentum"]).add_(step)
        parameter.add_(buffer, alpha=-group["lr"])


def make_optimizer(
    module: nn.Module, name: str, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Returns SGD with a momentum of 0.9, or LARS, which treats biases and norms as SGD does.

    LARS does not apply weight decay to biases and norms.

    Raises:
        ConfigError: If the optimizer is unknown.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if name == "sgd":
        return torch.optim.SGD(trained, lr, momentum=0.9, weight_decay=weight_decay)
    if name == "lars":
        plain = [parameter for parameter in trained if parameter.ndim == 1]
        weights = [parameter for parameter in trained if parameter.ndim != 1]
        groups: list[dict[str, Any]] = [
            {"params": weights},
            {"params": plain, "plain": True, "weight_decay": 0.0},
        ]
        return Lars(groups, lr, weight_decay=weight_decay)
    raise ConfigError(f"--optimizer {name}: expected one of {', '.join(OPTIMIZERS)}")


def cosine(step: int, steps: int, warmup: int) -> float:
    """Returns the factor on the learning rate after ``step`` of all ``steps``.

    It rises linearly over ``warmup`` steps, then falls along a cosine to 0.
    """
    if step < warmup:
        return (step + 1) / warmup
    return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2
