"""Gathers the images that scikit-image and scikit-learn ship into class folders.

python pipelines/demo_images.py FOLDER
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

CLASSES = {
    "animal": ["chelsea.png"],
    "ground": ["brick.png", "grass.png", "gravel.png"],
    "people": ["astronaut.png", "camera.png"],
    "place": ["china.jpg"],
    "plant": ["flower.jpg"],
    "sky": ["hubble_deep_field.jpg", "moon.png"],
    "thing": ["coffee.png", "coins.png", "motorcycle_left.png", "rocket.jpg"],
}
FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}


def main() -> None:
    """Copies the images into ``FOLDER/train/<class>``."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    places = [package_folder(package) / folder for package, folder in FOLDERS.items()]
    for name, files in CLASSES.items():
        target = Path(sys.argv[1]) / "train" / name
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(find(file, places), target / file)


def package_folder(package: str) -> Path:
    """Where an installed package lies."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"{package} is not installed: pip install '.[demo]'")
    return Path(spec.origin).parent


def find(file: str, places: list[Path]) -> Path:
    """The first of ``places`` that holds ``file``."""
    for place in places:
        if (place / file).exists():
            return place / file
    return sys.exit(f"no {file} in {', '.join(map(str, places))}; report the packages' versions")


if __name__ == "__main__":
    main()
