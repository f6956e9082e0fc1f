"""MoCo-v2's augmentation, with parameters that are drawn once and applied to several images.

A texture gets the crop and the colours of the image whose negative it is. Seeding a generator a
second time before the texture does not achieve this, because the number of random numbers that a
crop draws depends on the size of the image. This module draws all numbers first; the size of an
image only decides which of them are used.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import functional as F

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's RGB values, which range from 0 to 1."""

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Distribution of random views; probabilities and ranges are those of MoCo-v2's ``aug+``.

    Attributes:
        size: Side of a view, px.
        scale: Smallest and largest fraction of the image's area that a crop covers.
        jitter: Strength of brightness, contrast, saturation and hue; None keeps the colours.
        grey: Probability of a view without colour, 0 to 1.
        blur: Probability of a Gaussian blur with a radius of 0.1 to 2 px, 0 to 1.
    """

    size: int = 224
    scale: tuple[float, float] = (0.2, 1.0)
    jitter: tuple[float, float, float, float] | None = (0.4, 0.4, 0.4, 0.1)
    grey: float = 0.2
    blur: float = 0.5

    def draw(self, rng: random.Random) -> ViewParameters:
        """Draws the parameters of one view."""
        shapes = [
            (rng.uniform(*self.scale), math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3))))
            for _ in range(_TRIES)
        ]
        place = rng.random(), rng.random()
        flipped = rng.random() < 0.5
        jitter = None
        if self.jitter is not None and rng.random() < 0.8:
            *factors, hue = self.jitter
            drawn = [rng.uniform(max(0.0, 1 - strength), 1 + strength) for strength in factors]
            order = rng.sample(range(4), 4)
            # Draws a number for the hue in each turn: changing that would change all views.
            jitter = tuple((which, (*drawn, rng.uniform(-hue, hue))[which]) for which in order)
        grey = rng.random() < self.grey
        radius = rng.uniform(0.1, 2.0) if rng.random() < self.blur else 0.0
        return ViewParameters(self.size, tuple(shapes), place, flipped, jitter, grey, radius)


@dataclass(frozen=True, slots=True)
class ViewParameters:
    """Parameters of a view, which can be applied to any number of images.

    Attributes:
        size: Side of the view, px.
        shapes: Fraction of the area and aspect ratio of crops; an image gets the first that fits.
        place: Position of the crop in the free space, 0 to 1, from the top and from the left.
        flipped: Whether left and right are swapped.
        jitter: Changes of the colours in their order: 0 brightness, 1 contrast, 2 saturation,
            3 hue, each with its factor.
        grey: Whether the view has no colours.
        radius: Radius of the blur, px; 0 does not blur.
    """

    size: int
    shapes: tuple[tuple[float, float], ...]
    place: tuple[float, float]
    flipped: bool
    jitter: tuple[tuple[int, float], ...] | None
    grey: bool
    radius: float

    def __call__(self, image: Image.Image) -> Tensor:
        """Returns the view of an RGB image, (3, size, size) float32, normalised."""
        top, left, height, width = self.crop(image.width, image.height)
        size = [self.size, self.size]
        image = F.resized_crop(image, top, left, height, width, size, antialias=True)
        if self.flipped:
            image = F.hflip(image)
        for which, factor in self.jitter or ():
            image = _ADJUST[which](image, factor)
        if self.grey:
            image = F.rgb_to_grayscale(image, num_output_channels=3)
        if self.radius:
            image = image.filter(ImageFilter.GaussianBlur(self.radius))
        return normalised(image)

    def crop(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Returns top, left, height and width of the crop, px, in RandomResizedCrop's order."""
        for part, ratio in self.shapes:
            w = round(math.sqrt(width * height * part * ratio))
            h = round(math.sqrt(width * height * part / ratio))
            if 0 < w <= width and 0 < h <= height:
                down, right = self.place
                return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
        # No shape fits: use the largest central crop with a ratio from 3/4 to 4/3.
        w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        return (height - h) // 2, (width - w) // 2, h, w


_ADJUST: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    F.adjust_brightness,
    F.adjust_contrast,
    F.adjust_saturation,
    F.adjust_hue,
)


def normalised(image: Image.Image) -> Tensor:
    """Returns an RGB image as (3, H, W) float32, normalised by ImageNet's mean and deviation."""
    pixels = np.asarray(image, dtype=np.float32)
    return torch.from_numpy((pixels * _FACTOR - _SHIFT).transpose(2, 0, 1).copy())


_FACTOR = np.asarray([1 / (255 * s) for s in STD], dtype=np.float32)
_SHIFT = np.asarray([m / s for m, s in zip(MEAN, STD, strict=True)], dtype=np.float32)


def centre(image: Image.Image, size: int) -> Image.Image:
    """Resizes the shorter side to 8/7 ``size`` px and returns the central square of ``size`` px."""
    short = round(size * 256 / 224)
    cut: Image.Image = F.center_crop(F.resize(image, short, antialias=True), [size, size])
    return cut
