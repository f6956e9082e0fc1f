"""The schedule of the learning rate, and LARS compared with a loop of its equation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from texgen.core.errors import ConfigError
from texgen.train.optim import Lars, cosine, make_optimizer


def test_the_rate_rises_linearly_and_falls_along_a_cosine():
    factors = [cosine(step, steps=12, warmup=4) for step in range(13)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    expected = [(1 + math.cos(math.pi * done / 8)) / 2 for done in range(9)]
    assert factors[4:] == pytest.approx(expected)
    assert factors[12] == pytest.approx(0.0)
    assert cosine(0, steps=10, warmup=0) == 1.0


def lars_loop(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    """LARS (You et al. 2017) with weight decay, momentum and rates clipped at ``lr``."""
    velocity = torch.zeros_like(weight)
    for gradient in gradients:
        step = gradient + 0.1 * weight
        rate = min(1.0, 0.02 * float(weight.norm()) / (float(step.norm()) * lr))
        velocity = 0.9 * velocity + rate * step
        weight = weight - lr * velocity
    return weight


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_lars_scales_the_step_by_the_norms_and_never_above_the_rate(scale):
    torch.manual_seed(1)
    weight = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    gradients = [scale * torch.randn(3, 4, dtype=torch.float64) for _ in range(4)]
    expected = lars_loop(weight.detach().clone(), gradients, lr=0.5)
    optimizer = Lars([{"params": [weight]}], 0.5, weight_decay=0.1)
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
    assert torch.allclose(weight.detach(), expected, atol=1e-12)


def test_lars_trains_biases_and_norms_as_sgd_without_weight_decay():
    torch.manual_seed(1)
    module = nn.Linear(4, 3)
    twin = nn.Parameter(module.bias.detach().clone())
    optimizers = [
        make_optimizer(module, "lars", 0.3, weight_decay=0.1),
        torch.optim.SGD([twin], 0.3, momentum=0.9),
    ]
    for _ in range(3):
        gradient = torch.randn(3)
        module.bias.grad, twin.grad = gradient, gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(module.bias, twin, atol=1e-6)


def test_a_weight_of_zeros_gets_the_plain_step():
    weight = nn.Parameter(torch.zeros(2, 2))
    optimizer = Lars([{"params": [weight]}], 0.5)
    for gradient in (torch.zeros(2, 2), torch.ones(2, 2)):
        weight.grad = gradient
        optimizer.step()
    assert torch.allclose(weight, torch.full((2, 2), -0.5))


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ConfigError, match="--optimizer adam: expected one of sgd, lars"):
        make_optimizer(nn.Linear(1, 1), "adam", 0.1, 0.0)
