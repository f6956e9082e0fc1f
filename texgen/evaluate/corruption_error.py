"""The mean corruption error (Hendrycks & Dietterich 2019) and the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from texgen.core.errors import ConfigError

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
"""Its share of errors with each of the 15 corruptions, mean of the five severities, IN-1K."""

SEVERITIES = (1, 2, 3, 4, 5)


def mean_corruption_error(errors: Mapping[str, Sequence[float]]) -> float:
    """The mCE in percent: each corruption's errors over AlexNet's, and the mean of those.

    Args:
        errors: Share of errors at the five severities, of all 15 corruptions.

    Raises:
        ConfigError: If some are missing.
    """
    missing = [name for name in ALEXNET if len(errors.get(name, ())) != len(SEVERITIES)]
    if missing:
        message = f"mCE takes all 15 corruptions at 5 severities; missing: {', '.join(missing)}"
        raise ConfigError(message)
    return 100 * fmean(fmean(errors[name]) / ALEXNET[name] for name in ALEXNET)
