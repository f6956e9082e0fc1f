"""ImageNet-C (Hendrycks & Dietterich 2019): its folders and its corruptions."""

from __future__ import annotations

import importlib
import importlib.util
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.evaluate.corruption_error import SEVERITIES
from texgen.evaluate.images import LabelledImages, open_folder
from texgen.train.augment import centre, normalised
from texgen.train.pairs import EpochPosition

_LIBRARY = "imagecorruptions"
_PACKAGE = "imagecorruptions-imaug"
_LEAST = 32
_SEEDED = ("impulse_noise", "glass_blur")


@dataclass(frozen=True, slots=True)
class CorruptedLook:
    """The middle of a photograph, corrupted as ImageNet-C's, though with other random numbers.

    Attributes:
        size: Side, px; 32 at least.
        name: Of the corruption.
        severity: 1 to 5.
        seed: Of its random numbers.
    """

    size: int
    name: str
    severity: int
    seed: int = 0

    def __call__(self, image: Image.Image, draw: EpochPosition) -> Tensor:
        """See `texgen.evaluate.images.EvalTransform`."""
        corrupt = importlib.import_module(_LIBRARY).corrupt
        rng = random.Random(f"{self.seed}/{self.name}/{self.severity}/{draw[1]}")  # noqa: S311
        np.random.seed(rng.getrandbits(32))  # noqa: NPY002 - what the library uses
        # Two take none of numpy's common numbers.
        own = {"seed": rng.getrandbits(31)} if self.name in _SEEDED else {}
        pixels = np.array(centre(image, self.size))
        pixels = corrupt(pixels, severity=self.severity, corruption_name=self.name, **own)
        return normalised(Image.fromarray(pixels))


def check_library(size: int) -> None:
    """Checks that corruptions can be made here.

    Raises:
        ConfigError: If the library is missing or does not load, or images are too small for it.
    """
    try:
        importlib.import_module(_LIBRARY)
    except ImportError as error:
        # Such as OpenCV's without a library of the system.
        there = importlib.util.find_spec(_LIBRARY) is not None
        mend = f"it does not load here ({error})" if there else f"run pip install {_PACKAGE}"
        message = (
            f"--corrupt needs {_PACKAGE}: {mend}, or name a folder of ImageNet-C by --corrupted"
        )
        raise ConfigError(message) from error
    if size < _LEAST:
        message = f"--corrupt: corruptions take {_LEAST} px at least, and the run has {size} px"
        raise ConfigError(message)


def open_corrupted(folder: str, names: Sequence[str]) -> dict[str, dict[int, LabelledImages]]:
    """The sets of ``folder/corruption/severity/class``, or with a group between, as published.

    Raises:
        ConfigError: If a corruption or a severity is not there.
    """
    root = Path(folder)
    sets: dict[str, dict[int, LabelledImages]] = {}
    for name in names:
        found = [
            place for place in (root / name, *sorted(root.glob(f"*/{name}"))) if place.is_dir()
        ]
        missing = [one for one in SEVERITIES if not (found and (found[0] / str(one)).is_dir())]
        if missing:
            message = (
                f"--corrupted {folder}: there is no {name}/{missing[0]}; name the folder of "
                "corruption/severity/class, or fewer --corruption"
            )
            raise ConfigError(message)
        sets[name] = {one: open_folder(str(found[0] / str(one))) for one in SEVERITIES}
    return sets
