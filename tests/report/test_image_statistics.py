"""Mean colours and spectra of images whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.report.image_statistics import _starts, frequencies, measure_images, spectral_slope

SIDE = 64


def grey(values: np.ndarray) -> np.ndarray:
    """(H, W) floats from 0 to 1 as an RGB image."""
    levels = np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def test_the_colour_is_the_mean_and_several_images_count_alike():
    red = np.tile(np.array([200, 10, 0], np.uint8), (20, 30, 1))
    assert measure_images([red], SIDE).colour.tolist() == [200, 10, 0]
    assert measure_images([red, np.zeros_like(red)], SIDE).colour.tolist() == [100, 5, 0]


@pytest.mark.parametrize("cycles", [4, 8, 16, 31])
@pytest.mark.parametrize("upright", [True, False])
def test_a_wave_has_its_power_at_its_frequency(cycles, upright):
    x = np.arange(3 * SIDE)
    wave = np.tile(0.5 + 0.4 * np.sin(2 * np.pi * cycles * x / SIDE), (3 * SIDE, 1))
    spectrum = measure_images([grey(wave if upright else wave.T)], SIDE).spectrum
    assert frequencies(SIDE)[np.argmax(spectrum)] == cycles / SIDE
    far = np.abs(frequencies(SIDE) - cycles / SIDE) > 3 / SIDE
    assert spectrum[far].max() < spectrum.max() - 3


@pytest.mark.parametrize("size", [SIDE, 200, 450])
def test_white_noise_is_flat_at_its_variance_whatever_the_image_size(size):
    noise = np.random.default_rng(size).normal(0.5, 0.1, (size, size))
    spectrum = measure_images([grey(noise)] * 3, SIDE).spectrum
    assert 10 ** spectrum.mean() == pytest.approx(0.01, rel=0.15)
    assert abs(spectral_slope(spectrum, SIDE)) < 0.3


@pytest.mark.parametrize("exponent", [-1.0, -2.0, -3.0])
def test_noise_of_a_known_slope_has_that_slope(exponent):
    rng = np.random.default_rng(3)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512))
    frequency[0, 0] = 1
    shaped = np.fft.fft2(rng.normal(size=(512, 512))) * frequency ** (exponent / 2)
    noise = np.fft.ifft2(shaped).real
    noise = 0.5 + 0.15 * noise / noise.std()
    # The windows do not hold a whole period, but a Hann window leaks little.
    assert spectral_slope(measure_images([grey(noise)], SIDE).spectrum, SIDE) == pytest.approx(
        exponent, abs=0.2
    )


def test_brightness_does_not_count_and_contrast_counts_squared():
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, (SIDE, SIDE))
    low, high = (
        measure_images([grey(level + noise)], SIDE).spectrum for level in (77 / 255, 150 / 255)
    )
    assert np.allclose(low, high, atol=1e-6)
    double = measure_images([grey(128 / 255 + 2 * noise)], SIDE).spectrum
    assert (double - low).mean() == pytest.approx(np.log10(4), abs=0.02)


def test_a_flat_image_has_finite_power_and_a_small_one_none():
    flat = measure_images([grey(np.full((SIDE, SIDE), 0.5))], SIDE).spectrum
    assert np.isfinite(flat).all()
    assert flat.max() < -9
    assert measure_images([grey(np.zeros((SIDE, SIDE - 1)))], SIDE).spectrum is None


@given(st.integers(1, 128), st.integers(0, 5000))
def test_windows_reach_from_edge_to_edge_and_leave_no_gap_in_images_of_usual_size(side, more):
    starts = _starts(side + more, side)
    assert starts[0] == 0
    assert starts[-1] == more
    assert len(starts) <= 16
    if more <= 7 * side:
        assert np.all(np.diff(starts) <= side / 2 + 1)
