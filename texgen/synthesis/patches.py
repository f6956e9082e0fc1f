"""Patches from which a texture is synthesised (Ge et al. 2021, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

import numpy as np

from texgen.core.config import PATCH_SIZE, SMALL_PATCH_SIZE
from texgen.core.seeds import position_index
from texgen.core.types import Geometry, Pixels
from texgen.synthesis.protocol import Job

MIN_ENGINE_SIDE = 16
"""Shortest side in px that engines take; smaller patches are mirrored out to it."""

MAX_PATCHES = 255
"""Most example patches of one texture."""

MAX_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class PatchRule:
    """Rule for the side of the patches that are cut out of an image.

    Attributes:
        size: Side of the patches in px, if the image is large enough.
        small_size: Side of the patches in px if it is not; patches of a still smaller image have
            its shorter side.
    """

    size: int = PATCH_SIZE
    small_size: int = SMALL_PATCH_SIZE

    def side(self, width: int, height: int) -> int:
        """Side in px of the patches of a ``width`` x ``height`` image."""
        shorter = min(width, height)
        return self.size if shorter >= self.size else min(self.small_size, shorter)


DEFAULT_RULE = PatchRule()


@dataclass(frozen=True, slots=True)
class Patches:
    """Two square patches of one image.

    Attributes:
        center: Patch from the centre, (d, d, 3) uint8.
        random: Patch from a uniformly drawn position, (d, d, 3) uint8.
        boxes: Positions of both patches in the image.
    """

    center: Pixels
    random: Pixels
    boxes: Geometry


def patch_geometry(width: int, height: int, seed: int, rule: PatchRule = DEFAULT_RULE) -> Geometry:
    """Computes the positions of the two patches of a texture.

    Args:
        width: Width of the image in px, at least 1.
        height: Height of the image in px, at least 1.
        seed: Seed of the texture.
        rule: Rule for the side of the patches.
    """
    side = rule.side(width, height)
    columns, rows = width - side + 1, height - side + 1
    top, left = divmod(position_index(seed, columns * rows), columns)
    center = ((width - side) // 2, (height - side) // 2)
    return Geometry(width, height, side, center, (left, top))


def sample_patches(
    image: Pixels,
    seed: int = 0,
    *,
    patch_size: int = PATCH_SIZE,
    small_patch_size: int = SMALL_PATCH_SIZE,
) -> Patches:
    """Cuts the centre patch and a random patch out of an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        seed: Seed in [0, 2**64); the ``seed`` of a manifest row gives that row's patches.
        patch_size: Side of the patches in px, if the image is large enough.
        small_patch_size: Side of the patches in px if it is not; patches of a still smaller image
            have its shorter side.

    Returns:
        Both patches and their boxes. The patches are copies and never resized.

    Raises:
        ValueError: If ``image`` is not (H, W, 3) uint8 with at least one pixel, or a number
            is out of range.
        TypeError: If ``image`` is not an array, or a number not an integer.
    """
    check_rgb(image)
    seed = checked_integer("seed", seed, 0, MAX_SEED)
    patch_size = checked_integer("patch_size", patch_size, 1)
    small_patch_size = checked_integer("small_patch_size", small_patch_size, 1)
    return draw_patches(image, seed, PatchRule(patch_size, small_patch_size))


def draw_patches(image: Pixels, seed: int, rule: PatchRule) -> Patches:
    """Cuts the patches of a texture out of an (H, W, 3) uint8 image, without checks."""
    height, width = image.shape[:2]
    return cut_patches(image, patch_geometry(width, height, seed, rule))


def cut_patches(image: Pixels, boxes: Geometry) -> Patches:
    """Cuts the patches at ``boxes`` out of ``image``, (H, W, 3) uint8."""
    return Patches(
        _cut(image, boxes.center, boxes.side), _cut(image, boxes.random, boxes.side), boxes
    )


def _cut(image: Pixels, corner: tuple[int, int], side: int) -> Pixels:
    x, y = corner
    return np.array(image[y : y + side, x : x + side])


def mirror_to_minimum(patch: Pixels) -> Pixels:
    """Mirrors a patch out to the right and below until both sides are what engines take.

    Args:
        patch: (h, w, 3) uint8, at least 1x1.

    Returns:
        ``patch`` itself if it is large enough. The mirrored pixels begin with the last row or
        column itself, so that a single pixel can be mirrored too.
    """
    height, width = patch.shape[:2]
    below, right = max(0, MIN_ENGINE_SIDE - height), max(0, MIN_ENGINE_SIDE - width)
    if not (below or right):
        return patch
    return np.pad(patch, ((0, below), (0, right), (0, 0)), mode="symmetric")


def make_job(
    name: str,
    image: Pixels,
    seed: int,
    rule: PatchRule,
    size: int,
    image_format: str,
    quality: int | None,
) -> tuple[Job, Geometry]:
    """Job for one texture of an image, and the positions of its patches.

    Only here, and in `texgen.TextureNegative`, does an image become a job.

    Args:
        name: Name of the texture, for the log.
        image: (H, W, 3) uint8.
        seed: Seed of the texture.
        rule: Rule for the side of the patches.
        size: Side of the texture, px.
        image_format: ``png``, ``webp`` or ``jpg``.
        quality: JPEG quality, 1 to 100; None for the other formats.
    """
    patches = draw_patches(image, seed, rule)
    return Job(name, examples(patches), size, seed, image_format, quality), patches.boxes


def examples(patches: Patches) -> tuple[Pixels, Pixels]:
    """Returns both patches as an engine takes them, in the order in which it gets them."""
    return mirror_to_minimum(patches.center), mirror_to_minimum(patches.random)


def check_rgb(image: Pixels) -> None:
    """Checks that ``image`` is (H, W, 3) uint8 with at least one pixel.

    Raises:
        TypeError: If it is not an array.
        ValueError: If it has a different shape or dtype.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(f"expected an (H, W, 3) uint8 array, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"expected (H, W, 3) uint8 pixels, got {image.shape} {image.dtype}")


def checked_integer(name: str, value: int, least: int, most: int | None = None) -> int:
    """Returns ``value`` as an int; NumPy's integers are accepted.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If it is not in [``least``, ``most``].
    """
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {bounds}, not {number}")
    return number
