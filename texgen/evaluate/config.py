"""Options of evaluations; the metadata of a field holds its help text and range.

This module does not import torch, so that ``--help`` works without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from texgen.core.options import option


@dataclass(frozen=True, slots=True)
class LinearConfig:
    """Options of `texgen eval linear`; the defaults are the paper's for IN-100."""

    lr: float = option(
        10.0, "Learning rate at the start; the paper's for IN-1K is 30.", min=0, min_open=True
    )
    milestones: tuple[int, ...] = option(
        (30, 40, 50),
        "Epoch after which the learning rate falls to a tenth; may be given several times.",
        min=0,
    )
    epochs: int = option(60, "Number of epochs.", min=1)
    batch_size: int = option(128, "Number of images in a step.", min=1)
    weight_decay: float = option(0.0, "Weight decay, a factor on the weights.", min=0)
    momentum: float = option(0.9, "Momentum of SGD, 0 to 1.", min=0, max=1)
    crop_scale: tuple[float, float] = option(
        (0.08, 1.0),
        "Smallest and largest fraction of an image's area that a training view covers.",
        min=0,
        max=1,
        min_open=True,
    )
    cached: bool = option(
        False,
        "Train on one centre view of each image, whose features are computed once. That is "
        "faster, and the accuracy is slightly lower.",
    )
    seed: int = option(0, "Seed of the views and of the order of the images.", min=0)

    def rate(self, epoch: int) -> float:
        """Returns the learning rate of an epoch, which falls to a tenth at each milestone."""
        return float(self.lr * 0.1 ** sum(epoch >= one for one in self.milestones))


@dataclass(frozen=True, slots=True)
class KnnConfig:
    """Options of a classifier by nearest neighbours."""

    k: int = option(200, "Number of nearest training images that vote.", min=1)
    temperature: float = option(
        0.1,
        "Temperature of the votes' weights, above 0; small values favour the nearest.",
        min=0,
        min_open=True,
    )


@dataclass(frozen=True, slots=True)
class SimilarityConfig:
    """Options of `texgen analyze similarity`, which takes the last two defaults from the run."""

    images: int = option(2048, "Largest number of images, which are drawn at random.", min=2)
    batch: int = option(
        256,
        "Number of images that share batch statistics and are each other's negatives.  "
        "[default: the run's]",
        min=2,
    )
    patch_range: tuple[int, int] = option(
        (16, 72), "Smallest and largest side of a patch, px.  [default: the run's]", min=1
    )
    seed: int = option(0, "Seed of the drawn images, views and patches.", min=0)
