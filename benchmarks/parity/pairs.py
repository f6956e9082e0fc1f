"""Pairs of example patches, cut from images as a build cuts them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import texgen

SUFFIXES = {".jpg", ".jpeg", ".png"}


class Pair(NamedTuple):
    """The centre patch and the random patch of an image."""

    name: str
    """Digest of the pair's bytes, by which textures on disk are matched to it."""
    patches: NDArray[np.uint8]
    """Patches, (2, d, d, 3) uint8."""


def cut(src: Path, count: int) -> list[Pair]:
    """Returns pairs from ``count`` of the images below ``src``, evenly spaced in their order.

    Raises:
        ValueError: If there are fewer.
    """
    files = sorted(path for path in src.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < count:
        raise ValueError(f"{src} holds {len(files)} images, not {count}: see --pairs")
    return [pair(files[i * len(files) // count], i) for i in range(count)]


def pair(file: Path, seed: int) -> Pair:
    """Cuts the pair of one image."""
    with Image.open(file) as opened:
        drawn = texgen.sample_patches(np.asarray(opened.convert("RGB")), seed)
    patches = np.stack([drawn.center, drawn.random])
    return Pair(hashlib.blake2b(patches.tobytes(), digest_size=4).hexdigest(), patches)
