"""Statistics of images: mean colour, and power over spatial frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.core.types import Pixels

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of R, G and B in luma by ITU-R BT.601, as in JPEG, for code values."""

_FLOOR = 1e-12
"""Power below any that 8-bit pixels have, so that flat images have a logarithm."""


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Statistics of one image.

    Attributes:
        colour: (3,) mean of R, G and B, code values 0 to 255.
        spectrum: (side // 2,) log10 of power at `frequencies`; None if the image is too small or
            the spectrum is not wanted.
    """

    colour: NDArray[np.float64]
    spectrum: NDArray[np.float64] | None


def measure_images(
    images: Sequence[Pixels], side: int, *, spectrum: bool = True
) -> ImageStatistics:
    """Statistics of one image, or of several together, such as both patches of a texture.

    Args:
        images: (H, W, 3) uint8 each.
        side: Side of the windows in which spectra are measured, px.
        spectrum: Whether the spectrum is wanted.
    """
    colour = np.mean([image.reshape(-1, 3).mean(axis=0) for image in images], axis=0)
    windows = [window for image in images for window in _windows(image, side)]
    if not (spectrum and windows):
        return ImageStatistics(colour, None)
    # Luminance is computed per window: that of a large image would take gigabytes.
    power = np.mean([_power(window @ LUMA / 255) for window in windows], axis=0)
    return ImageStatistics(colour, np.log10(_ring_means(power) + _FLOOR))


def frequencies(side: int) -> NDArray[np.float64]:
    """(side // 2,) centres of the rings, cycles per pixel, from 1 / side to 0.5."""
    return np.arange(1, side // 2 + 1) / side


def spectral_slope(spectrum: NDArray[np.float64], side: int) -> float:
    """Exponent a of power ~ frequency^a between 2 / side and a quarter cycle per pixel.

    The fit is by least squares on logarithms. Natural images have about -2 (Field 1987).
    """
    frequency = frequencies(side)
    fitted = (frequency >= 2 / side) & (frequency <= 0.25)
    return float(np.polyfit(np.log10(frequency[fitted]), spectrum[fitted], 1)[0])


def _windows(image: Pixels, side: int) -> list[Pixels]:
    """Windows of ``side`` px over the whole image that overlap by about half (Welch 1967)."""
    height, width = image.shape[:2]
    if min(height, width) < side:
        return []
    rows, columns = (_starts(length, side) for length in (height, width))
    return [image[y : y + side, x : x + side] for y in rows for x in columns]


def _starts(length: int, side: int) -> NDArray[np.int64]:
    """Evenly spread starts of windows from edge to edge; at most 16, whatever the length."""
    number = 1 + min(15, -(-(length - side) * 2 // side))
    starts: NDArray[np.int64] = np.linspace(0, length - side, number).round().astype(np.int64)
    return starts


def _power(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power spectral density under a Hann window, so that the window's edges add no power."""
    side = len(window)
    hann = np.hanning(side + 1)[:-1]
    taper = np.outer(hann, hann)
    mean = (window * taper).sum() / taper.sum()
    squared = np.abs(np.fft.fft2((window - mean) * taper)) ** 2
    power: NDArray[np.float64] = squared / (taper**2).sum()
    return power


def _ring_means(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """(side // 2,) means over rings around the origin that are one frequency step wide."""
    side = len(power)
    steps = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(steps[:, None], steps).round().astype(np.int64)
    sums = np.bincount(radius.ravel(), power.ravel())
    means: NDArray[np.float64] = (sums / np.bincount(radius.ravel()))[1 : side // 2 + 1]
    return means
