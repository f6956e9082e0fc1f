"""The only place where an image becomes an engine's job: patches by rule and seed, mirrored out."""

from __future__ import annotations

from texgen.core.types import Geometry, Pixels
from texgen.synthesis.patches import PatchRule, draw_patches, mirror_to_minimum
from texgen.synthesis.protocol import Job


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
    examples = (mirror_to_minimum(patches.center), mirror_to_minimum(patches.random))
    return Job(name, examples, size, seed, image_format, quality), patches.boxes
