"""Sizes and numbers of the measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        images: Folder of images.
        out: Folder for data sets and runs.
        software: Whether a processor plays the card.
        pairs: Number of textures that are compared.
        size: Side of the textures, px.
        in_flight: Numbers of jobs in flight at which the rate is measured.
        each: Number of textures for each job in flight.
        files: Number of images of the whole builds, some of them several times.
        steps: Training steps of each run.
        training_sizes: Sides of the textures and images of the training runs, px; empty is `size`.
        run_s: Time limit of one training run, s.
        train: Options of every training run.
    """

    images: Path
    out: Path
    software: bool
    pairs: int
    size: int
    in_flight: tuple[int, ...]
    each: int
    files: int
    steps: int
    training_sizes: tuple[int, ...]
    run_s: float
    train: tuple[str, ...]

    def changed(self, images: Path, out: Path, values: Mapping[str, Any]) -> Settings:
        """Returns the settings with other values."""
        changed = replace(self, images=images, out=out, **values)
        return replace(changed, training_sizes=changed.training_sizes or (changed.size,))

    def as_json(self) -> dict[str, Any]:
        """Settings as JSON types."""
        return {key: str(v) if isinstance(v, Path) else v for key, v in asdict(self).items()}

    def image_files(self, count: int) -> list[Path]:
        """Returns as many files of images; some of them several times if there are fewer.

        Raises:
            ValueError: If the folder holds no images.
        """
        kinds = {".jpeg", ".jpg", ".png"}
        files = sorted(p for p in self.images.rglob("*") if p.suffix.lower() in kinds)
        if not files:
            raise ValueError(f"no images in {self.images}")
        return (files * math.ceil(count / len(files)))[:count]


def patch_sizes(size: int) -> tuple[int, int]:
    """Sides of the patches, px, in the proportion of 96 px to 224 px; and those of small images."""
    side = max(1, round(size * 96 / 224))
    return side, max(1, side // 2)


NOWHERE = Path()

CARD = Settings(
    NOWHERE, NOWHERE, software=False,
    pairs=64, size=224, in_flight=(1, 16, 64, 256, 1024), each=3, files=4096, steps=24,
    training_sizes=(224, 96, 64), run_s=75,
    train=("--method", "moco", "--arch", "resnet50", "--batch-size", "256", "--workers", "14"),
)  # fmt: skip

SOFTWARE = Settings(
    NOWHERE, NOWHERE, software=True,
    pairs=64, size=64, in_flight=(1, 4, 16), each=2, files=48, steps=4,
    training_sizes=(), run_s=750,
    train=("--method", "simclr", "--arch", "resnet18", "--width", "0.25", "--batch-size", "16",
           "--workers", "1", "--device", "cpu"),
)  # fmt: skip
