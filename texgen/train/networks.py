"""Encoders: a torchvision ResNet with a head, and its batch normalisation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import ResNet

from texgen.core.errors import ConfigError


def resnet(
    arch: str,
    stem: str,
    head: Callable[[int], nn.Module],
    *,
    width: float = 1.0,
    splits: int = 1,
) -> nn.Module:
    """Returns a torchvision ResNet with a head instead of its classifier.

    Args:
        arch: Name of the network in torchvision, such as ``resnet50``.
        stem: One of `texgen.train.config.STEMS`; small images need one of the small ones.
        head: Makes the module for ``fc``, given the number of features.
        width: Factor on the channels of the four stages, for small experiments.
        splits: Number of parts of a batch that are normalised separately, see `SplitBatchNorm2d`.

    Returns:
        A module that maps (N, 3, H, W) normalised pixels to (N, C). Its parameters have
        torchvision's names.

    Raises:
        ConfigError: If torchvision has no such ResNet.
    """
    build = getattr(torchvision.models, arch, None)
    if not callable(build) or not arch.startswith(("resnet", "resnext", "wide_resnet")):
        raise ConfigError(
            f"--arch {arch}: torchvision has no such ResNet; use resnet18 or resnet50"
        )
    network = build(weights=None, norm_layer=norm_of(splits))
    if width != 1.0:
        network = _narrow(network, width, norm_of(splits))
    if stem != "imagenet":
        stride, channels = (2 if stem == "small" else 1), network.conv1.out_channels
        network.conv1 = nn.Conv2d(3, channels, 3, stride, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    # The constructor leaves the number of channels of the last stage in inplanes.
    network.fc = head(network.inplanes)
    result: nn.Module = network
    return result


def norm_of(splits: int) -> Callable[[int], nn.Module]:
    """Returns a function that makes a layer of batch normalisation for a number of channels."""
    if splits == 1:
        return nn.BatchNorm2d
    return lambda channels: SplitBatchNorm2d(channels, splits)


def stem_for(size: int) -> str:
    """Returns the usual stem for images with a side of ``size`` px."""
    return "cifar" if size < 48 else "small" if size < 96 else "imagenet"


def _narrow(network: Any, width: float, norm: Callable[[int], nn.Module]) -> Any:  # noqa: ANN401 - untyped
    class Narrow(ResNet):  # type: ignore[misc]
        def _make_layer(self, block: Any, planes: int, *more: Any, **options: Any) -> Any:  # noqa: ANN401
            return super()._make_layer(block, int(planes * width), *more, **options)

    stages = [network.layer1, network.layer2, network.layer3, network.layer4]
    return Narrow(
        type(stages[0][0]),
        [len(stage) for stage in stages],
        groups=network.groups,
        width_per_group=network.base_width,
        norm_layer=norm,
    )


def mlp(features: int, hidden: int, dim: int, *, batch_norm: bool) -> nn.Module:
    """Returns two layers that map (N, features) to (N, dim); MoCo-v2's have no ``batch_norm``."""
    middle = [nn.BatchNorm1d(hidden)] if batch_norm else []
    return nn.Sequential(
        nn.Linear(features, hidden, bias=not batch_norm), *middle, nn.ReLU(), nn.Linear(hidden, dim)
    )


class SplitBatchNorm2d(nn.BatchNorm2d):
    """Normalises each part of a batch by its own statistics, as several GPUs would.

    MoCo needs it on one device: with shared statistics a key reveals its query by them. Image n
    belongs to part n mod ``splits``; running statistics are the mean of the parts' statistics.
    """

    def __init__(self, channels: int, splits: int) -> None:
        super().__init__(channels)
        self.splits = splits

    def forward(self, images: Tensor) -> Tensor:
        """Normalises (N, C, H, W).

        Raises:
            ConfigError: If ``splits`` does not divide N.
        """
        if not self.training:
            return super().forward(images)
        count, channels, height, width = images.shape
        if count % self.splits:
            raise ConfigError(
                f"--bn-splits {self.splits} does not divide a batch of {count} images"
            )
        running = (self.running_mean, self.running_var) if self.track_running_stats else ()
        tracked = [r.repeat(self.splits) for r in running if r is not None]
        mean, var = tracked or (None, None)
        out = F.batch_norm(
            images.reshape(-1, self.splits * channels, height, width),
            mean,
            var,
            self.weight.repeat(self.splits),
            self.bias.repeat(self.splits),
            training=True,
            momentum=self.momentum or 0.0,
            eps=self.eps,
        )
        with torch.no_grad():
            for statistics, parts in zip(running, tracked, strict=True):
                if statistics is not None:
                    statistics.copy_(parts.view(self.splits, channels).mean(0))
        return out.reshape(count, channels, height, width)


@contextlib.contextmanager
def without_bn_tracking(encoder: nn.Module) -> Iterator[None]:
    """Normalises by the statistics of a batch, and leaves the running statistics unchanged.

    With NS in the running statistics, patches were measured at a cosine of -.009 instead of .275
    and accuracy fell by 2.5 points: an artefact that looks like the expected effect.
    """
    layers = [layer for layer in encoder.modules() if isinstance(layer, _BatchNorm)]
    before = [layer.track_running_stats for layer in layers]
    try:
        for layer in layers:
            layer.track_running_stats = False
        yield
    finally:
        for layer, tracked in zip(layers, before, strict=True):
            layer.track_running_stats = tracked


@torch.no_grad()
def ema_update(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Sets each parameter p of ``target`` to momentum p + (1 - momentum) ``online``'s parameter."""
    parameters = [parameter.data for parameter in target.parameters()]
    torch._foreach_mul_(parameters, momentum)
    torch._foreach_add_(parameters, [p.data for p in online.parameters()], alpha=1 - momentum)
