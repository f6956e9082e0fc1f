"""ImageNet-C (Hendrycks & Dietterich 2019): its corruptions and the mean corruption error."""

from __future__ import annotations

import importlib
import importlib.util
import random
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from PIL import Image

from texgen.core.errors import ConfigError

_LIBRARY = "imagecorruptions"
_PACKAGE = "imagecorruptions-imaug"
_MIN_SIDE = 32
_SEEDED = ("impulse_noise", "glass_blur")

ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
"""AlexNet's share of errors on IN-1K with each of the 15 corruptions, mean of five severities."""

SEVERITIES = (1, 2, 3, 4, 5)


def mean_corruption_error(errors: Mapping[str, Sequence[float]]) -> float:
    """The mCE in percent: the mean over corruptions of the errors divided by AlexNet's.

    Args:
        errors: Shares of errors at the five severities, for each of the 15 corruptions.

    Raises:
        ConfigError: If a corruption or a severity is missing.
    """
    missing = [name for name in ALEXNET if len(errors.get(name, ())) != len(SEVERITIES)]
    if missing:
        raise ConfigError(
            f"mCE takes all 15 corruptions at 5 severities; missing: {', '.join(missing)}"
        )
    return 100 * fmean(fmean(errors[name]) / ALEXNET[name] for name in ALEXNET)


def check_library(size: int) -> None:
    """Checks that the library of corruptions loads and takes images of ``size`` px.

    Raises:
        ConfigError: If the library is missing or does not load, or the images are too small.
    """
    try:
        importlib.import_module(_LIBRARY)
    except ImportError as error:
        # The library may be installed without a system library that OpenCV needs.
        installed = importlib.util.find_spec(_LIBRARY) is not None
        hint = f"it does not load here ({error})" if installed else f"run pip install {_PACKAGE}"
        raise ConfigError(
            f"--corrupt needs {_PACKAGE}: {hint}, or name a folder of ImageNet-C by --corrupted"
        ) from error
    if size < _MIN_SIDE:
        raise ConfigError(
            f"--corrupt: corruptions need images of at least {_MIN_SIDE} px, but the run has "
            f"{size} px; name a folder of ImageNet-C by --corrupted"
        )


def corrupt(image: Image.Image, name: str, severity: int, seed: str) -> Image.Image:
    """Applies a corruption to an RGB image, with random numbers from ``seed``."""
    library = importlib.import_module(_LIBRARY)
    rng = random.Random(seed)  # noqa: S311
    np.random.seed(rng.getrandbits(32))  # noqa: NPY002 - what the library uses
    # Two corruptions do not use numpy's global generator and take a seed instead.
    own_seed = {"seed": rng.getrandbits(31)} if name in _SEEDED else {}
    pixels = library.corrupt(np.array(image), severity=severity, corruption_name=name, **own_seed)
    return Image.fromarray(pixels)
