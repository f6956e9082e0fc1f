"""MoCo-v2's augmentation, with parameters that are drawn once and applied to several images.

A texture is cropped and coloured as the photograph that it is the negative of. Seeding a generator
anew before each of the two does not do it: how many numbers a random crop draws depends on
the image's size. Here all are drawn first; an image's size only decides which it uses.
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
"""ImageNet's, of RGB from 0 to 1."""

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What views are made by; probabilities and ranges are those of MoCo-v2's ``aug+``.

    Attributes:
        size: Side of a view, px.
        scale: Least and greatest part of an image's area that a crop covers.
        jitter: Strength of brightness, contrast, saturation and hue; None leaves colours alone.
        grey: Probability of a view without colour.
        blur: Probability of a Gaussian blur, with a radius of 0.1 to 2 px.
    """

    size: int = 224
    scale: tuple[float, float] = (0.2, 1.0)
    jitter: tuple[float, float, float, float] | None = (0.4, 0.4, 0.4, 0.1)
    grey: float = 0.2
    blur: float = 0.5

    def draw(self, rng: random.Random) -> ViewParameters:
        """The parameters of one view."""
        shapes = [
            (rng.uniform(*self.scale), math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3))))
            for _ in range(_TRIES)
        ]
        place = rng.random(), rng.random()
        flipped = rng.random() < 0.5
        jitter = None
        if self.jitter is not None and rng.random() < 0.8:
            *factors, hue = self.jitter
            drawn = [rng.uniform(max(0.0, 1 - one), 1 + one) for one in factors]
            order = rng.sample(range(4), 4)
            jitter = tuple((which, (*drawn, rng.uniform(-hue, hue))[which]) for which in order)
        grey = rng.random() < self.grey
        radius = rng.uniform(0.1, 2.0) if rng.random() < self.blur else 0.0
        return ViewParameters(self.size, tuple(shapes), place, flipped, jitter, grey, radius)


@dataclass(frozen=True, slots=True)
class ViewParameters:
    """The parameters of a view, for any number of images.

    Attributes:
        size: Side of the view, px.
        shapes: Part of the area and aspect ratio of crops; the first that fits an image is its.
        place: Where the crop is within what room there is, 0 to 1, down and to the right.
        flipped: Whether left and right are swapped.
        jitter: What is done to colours in which order: 0 brightness, 1 contrast, 2 saturation,
            3 hue, each with its factor.
        grey: Whether colours are taken away.
        radius: Of the blur, px.
    """

    size: int
    shapes: tuple[tuple[float, float], ...]
    place: tuple[float, float]
    flipped: bool
    jitter: tuple[tuple[int, float], ...] | None
    grey: bool
    radius: float

    def __call__(self, image: Image.Image) -> Tensor:
        """An RGB image to its view, (3, size, size) float32, normalised."""
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
        """Top, left, height and width of the crop of an image, as RandomResizedCrop has them."""
        for part, ratio in self.shapes:
            w = round(math.sqrt(width * height * part * ratio))
            h = round(math.sqrt(width * height * part / ratio))
            if 0 < w <= width and 0 < h <= height:
                down, right = self.place
                return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
        # None fits: the largest crop in the middle with a ratio that is allowed.
        w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        return (height - h) // 2, (width - w) // 2, h, w


_ADJUST: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    F.adjust_brightness,
    F.adjust_contrast,
    F.adjust_saturation,
    F.adjust_hue,
)


def normalised(image: Image.Image) -> Tensor:
    """An RGB image as (3, H, W) float32, by ImageNet's mean and deviation of each channel."""
    pixels = np.asarray(image, dtype=np.float32)
    return torch.from_numpy((pixels * _FACTOR - _SHIFT).transpose(2, 0, 1).copy())


_FACTOR = np.asarray([1 / (255 * s) for s in STD], dtype=np.float32)
_SHIFT = np.asarray([m / s for m, s in zip(MEAN, STD, strict=True)], dtype=np.float32)


def centre_view(image: Image.Image, size: int) -> Tensor:
    """What is evaluated: the `centre` of the image as (3, size, size) float32, normalised."""
    return normalised(centre(image, size))


def centre(image: Image.Image, size: int) -> Image.Image:
    """The middle of the image, whose shorter side is made 8/7 of ``size`` px first."""
    short = round(size * 256 / 224)
    cut: Image.Image = F.center_crop(F.resize(image, short, antialias=True), [size, size])
    return cut
