"""PACS at 96 px, so that a CPU need not shrink every image in every epoch.

python pipelines/train/pacs_images.py PACS OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

SIDE = 96
"""Of the shorter side, px; a view of 64 px of a crop of half the area has its own pixels."""


def main(source: Path, out: Path) -> None:
    """Writes every image of ``source`` to the same place below ``out``, where it is not yet."""
    for path in sorted(source.rglob("*")):
        target = out / path.relative_to(source).with_suffix(".png")
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png") or target.exists():
            continue
        with Image.open(path) as file:
            image = file.convert("RGB")
        factor = SIDE / min(image.size)
        size = (round(image.width * factor), round(image.height * factor))
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        image.resize(size, Image.Resampling.LANCZOS).save(part, "png")
        part.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
