"""What pictures look like in figures: mean colour, and power over spatial frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.core.types import Pixels

_LUMA = np.array([0.299, 0.587, 0.114])
"""Of ITU-R BT.601, as JPEG has it, on code values."""

_FLOOR = 1e-12
"""Power below any that 8-bit pixels have, so that flat pictures have a logarithm."""


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Figures of one picture.

    Attributes:
        colour: (3,) mean of R, G and B, code values 0 to 255.
        spectrum: (side // 2,) log10 of power at `frequencies`; None where it is too small, or
            not wanted.
    """

    colour: NDArray[np.float64]
    spectrum: NDArray[np.float64] | None


def measure(pictures: Sequence[Pixels], side: int, *, spectrum: bool = True) -> ImageStatistics:
    """Figures of one picture, or of several as one, such as both patches of a texture.

    Args:
        pictures: (H, W, 3) uint8 each.
        side: Of the windows that spectra are taken in, px.
        spectrum: Whether it is wanted.
    """
    colour = np.mean([picture.reshape(-1, 3).mean(axis=0) for picture in pictures], axis=0)
    windows = [window for picture in pictures for window in _windows(picture, side)]
    if not (spectrum and windows):
        return ImageStatistics(colour, None)
    # Luminance of a window at a time: that of a large photograph would take gigabytes.
    power = np.mean([_power(window @ _LUMA / 255) for window in windows], axis=0)
    return ImageStatistics(colour, np.log10(_ring_means(power) + _FLOOR))


def frequencies(side: int) -> NDArray[np.float64]:
    """(side // 2,) centres of the rings, cycles per pixel: 1 / side … 0.5."""
    return np.arange(1, side // 2 + 1) / side


def spectral_slope(spectrum: NDArray[np.float64], side: int) -> float:
    """Exponent a of power ~ frequency^a between 2 / side and a quarter cycle per pixel.

    Natural photographs have about -2 (Field 1987). Least squares on logarithms.
    """
    where = frequencies(side)
    inside = (where >= 2 / side) & (where <= 0.25)
    return float(np.polyfit(np.log10(where[inside]), spectrum[inside], 1)[0])


def _windows(picture: Pixels, side: int) -> list[Pixels]:
    """Windows of ``side`` px over the whole picture, overlapping by about half (Welch 1967)."""
    height, width = picture.shape[:2]
    if min(height, width) < side:
        return []
    rows, columns = (_starts(length, side) for length in (height, width))
    return [picture[y : y + side, x : x + side] for y in rows for x in columns]


def _starts(length: int, side: int) -> NDArray[np.int64]:
    """Evenly spread, the first at 0 and the last at the end; 16 at most, however long it is."""
    number = 1 + min(15, -(-(length - side) * 2 // side))
    starts: NDArray[np.int64] = np.linspace(0, length - side, number).round().astype(np.int64)
    return starts


def _power(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power spectral density under a Hann window, so that edges are no edges of the picture."""
    side = len(window)
    hann = np.hanning(side + 1)[:-1]
    taper = np.outer(hann, hann)
    mean = (window * taper).sum() / taper.sum()
    squared = np.abs(np.fft.fft2((window - mean) * taper)) ** 2
    power: NDArray[np.float64] = squared / (taper**2).sum()
    return power


def _ring_means(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """(side // 2,) means over rings a frequency step wide around the origin."""
    side = len(power)
    steps = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(steps[:, None], steps).round().astype(np.int64)
    sums = np.bincount(radius.ravel(), power.ravel())
    means: NDArray[np.float64] = (sums / np.bincount(radius.ravel()))[1 : side // 2 + 1]
    return means
