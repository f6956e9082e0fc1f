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
    train: tuple[str, ...]

    @property
    def patch_size(self) -> int:
        """Side of the patches in the proportion of 96 px to 224 px."""
        return max(1, round(self.size * 96 / 224))

    @property
    def small_patch_size(self) -> int:
        """Side of the patches of an image that is smaller than `patch_size`."""
        return max(1, self.patch_size // 2)

    def changed(self, images: Path, out: Path, values: Mapping[str, int]) -> Settings:
        """Returns the settings with other values."""
        return replace(self, images=images, out=out, **values)  # type: ignore[arg-type]

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


NOWHERE = Path()

CARD = Settings(
    NOWHERE, NOWHERE, software=False,
    pairs=64, size=224, in_flight=(1, 16, 64, 256, 1024), each=3, files=4096, steps=24,
    train=("--method", "moco", "--arch", "resnet50", "--batch-size", "256", "--workers", "14"),
)  # fmt: skip

SOFTWARE = Settings(
    NOWHERE, NOWHERE, software=True,
    pairs=64, size=64, in_flight=(1, 4, 16), each=2, files=48, steps=4,
    train=("--method", "simclr", "--arch", "resnet18", "--width", "0.25", "--batch-size", "16",
           "--workers", "1", "--device", "cpu"),
)  # fmt: skip
