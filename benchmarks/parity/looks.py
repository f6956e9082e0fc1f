"""Statistics of a texture's pixels: histograms, spectrum, similarity to its examples."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Pixels, (H, W, 3) uint8."""
Vector = NDArray[np.float64]

BINS = 32
"""Number of bins of each channel."""
SLOPE_EDGES = np.array([-256, -64, -32, -16, -8, -4, -1, 0, 1, 4, 8, 16, 32, 64, 256]) + 0.5
RINGS, SECTORS = 16, 4
FLOOR = 100.0
"""Smallest power that is distinguished."""
WINDOWS = (9, 15)
"""Sides in px of the windows that are searched in the examples."""
STRIDE = 13
"""Distance in px from one such window to the next."""


def distance(one: Vector, other: Vector) -> Vector:
    """Mean absolute difference along the last axis."""
    return np.asarray(np.abs(one - other).mean(axis=-1))


def describe(image: Image) -> dict[str, Vector]:
    """Figures that are distributions, compared by distances."""
    return {
        "channel histogram": channel_histogram(image),
        "log power spectrum": log_power_spectrum(image),
        "gradient histogram": gradient_histogram(image),
    }


def channel_histogram(image: Image) -> Vector:
    """Share of pixels in each bin, channel after channel, (3 * BINS,)."""
    flat = image.reshape(-1, 3) // (256 // BINS)
    return np.concatenate([np.bincount(flat[:, c], minlength=BINS) for c in range(3)]) / len(flat)


def gradient_histogram(image: Image) -> Vector:
    """Share of luma's differences across and down in each bin; bins are finer near zero."""
    grey = luma(image)
    slopes = [np.diff(grey, axis=axis).ravel() for axis in (0, 1)]
    return np.concatenate([np.histogram(s, SLOPE_EDGES)[0] / s.size for s in slopes])


def log_power_spectrum(image: Image) -> Vector:
    """Log of the mean power of luma in rings by sectors of the spectrum.

    The figure is a mean, since the power at a single frequency is all chance. It is not below the
    power of rounding to whole values; otherwise uniform images would differ most.
    """
    grey = luma(image)
    side = len(grey)
    taper = np.hanning(side)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(taper, taper))) ** 2
    down, across = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    lowest, highest = 2 / side, 0.5
    octaves = np.log(np.maximum(np.hypot(down, across), 1e-9) / lowest)
    ring = np.floor(RINGS * octaves / np.log(highest / lowest)).astype(int)
    turn = np.arctan2(down, across) / np.pi + 1 / (2 * SECTORS)
    sector = np.floor(SECTORS * np.mod(turn, 1)).astype(int)
    inside = (ring >= 0) & (ring < RINGS)
    cell = (ring * SECTORS + sector)[inside]
    count = np.bincount(cell)
    total = np.bincount(cell, power[inside])
    return np.asarray(np.log(total[count > 0] / count[count > 0] + FLOOR))


def luma(image: Image) -> Vector:
    """Luma, (H, W), 0 to 255."""
    return np.asarray(image @ np.array([0.299, 0.587, 0.114]))


class Examples:
    """A pair of examples with all of their windows, in which windows of textures are searched."""

    def __init__(self, patches: Image) -> None:
        """Takes the windows out of ``patches``, (2, d, d, 3)."""
        self.histogram = channel_histogram(patches)
        self.windows = {
            side: np.concatenate([windows(patch, side, 1) for patch in patches]) for side in WINDOWS
        }

    def likeness(self, texture: Image) -> dict[str, float]:
        """Figures that are measured against the examples."""
        unlike = float(distance(channel_histogram(texture), self.histogram))
        nearest = {f"{w}x{w} to the nearest patch": self.nearest(texture, w) for w in WINDOWS}
        return {"histogram to the examples": unlike, **nearest}

    def nearest(self, texture: Image, side: int) -> float:
        """RMS difference of a window to the nearest one of the examples; mean over windows."""
        asked, known = windows(texture, side, STRIDE), self.windows[side]
        # |a - b|^2 = |a|^2 - 2 ab + |b|^2: nearly all the work is one matrix product.
        least = ((known * known).sum(1) - 2 * (asked @ known.T)).min(1)
        squares = np.maximum((asked * asked).sum(1) + least, 0)
        return float(np.sqrt(squares / known.shape[1]).mean())


def windows(image: Image, side: int, stride: int) -> NDArray[np.float32]:
    """Windows, (N, 3 * side * side), centred on zero so that float32 is precise enough."""
    seen = sliding_window_view(image, (side, side), axis=(0, 1))[::stride, ::stride]
    return np.asarray(seen.reshape(-1, 3 * side * side), np.float32) - 128
