"""Views: parameters are drawn once for images of any size, and distributed as torchvision's."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torchvision.transforms import RandomResizedCrop

from tests.conftest import synthetic_image
from tests.train.conftest import coordinate_image
from texgen.train.augment import MEAN, STD, Augmentation, centre, normalised

sides = st.integers(1, 400)
PLAIN = Augmentation(32, jitter=None, grey=0.0, blur=0.0)


@settings(deadline=None, max_examples=200)
@given(width=sides, height=sides, seed=st.integers(0, 10**6))
def test_a_crop_lies_within_its_image_whatever_its_size(width, height, seed):
    top, left, h, w = Augmentation().draw(random.Random(seed)).crop(width, height)
    assert 0 <= top <= top + h <= height
    assert 0 <= left <= left + w <= width
    assert h >= 1
    assert w >= 1


@settings(deadline=None, max_examples=100)
@given(side=st.integers(32, 300), factor=st.integers(2, 5), seed=st.integers(0, 10**6))
def test_images_of_one_shape_get_the_same_crop_whatever_their_scale(side, factor, seed):
    view = Augmentation().draw(random.Random(seed))
    sides = [math.sqrt(part * r) for part, ratio in view.shapes for r in (ratio, 1 / ratio)]
    # A shape that just fits may fit one image only, because sides are rounded to pixels.
    assume(all(abs(one - 1) > 1 / side for one in sides))
    small, large = view.crop(side, side), view.crop(side * factor, side * factor)
    assert all(abs(a - b / factor) <= 2 for a, b in zip(small, large, strict=True))


@pytest.mark.parametrize("size", [(500, 375), (60, 300)])
def test_crops_are_distributed_as_torchvisions(size):
    """Two-sample Kolmogorov-Smirnov test on each of the four numbers."""
    width, height = size
    image = coordinate_image(min(width, 255), min(height, 255)).resize(size)
    torch.manual_seed(0)
    theirs = [RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)]
    rng = random.Random(1)
    ours = [Augmentation().draw(rng).crop(width, height) for _ in range(3000)]
    for column in range(4):
        a, b = ([row[column] for row in rows] for rows in (ours, theirs))
        assert stats.ks_2samp(a, b).pvalue > 1e-4, column


def test_image_and_texture_are_flipped_greyed_and_blurred_alike():
    for seed in range(40):
        view = Augmentation(32, jitter=None).draw(random.Random(seed))
        image = coordinate_image(200, 200)
        same_shape = image.resize((96, 96))
        one, other = view(image), view(same_shape)
        # Red is the column, so that it falls from left to right if the view is flipped.
        falls = [(v[0, 16, 0] > v[0, 16, -1]).item() for v in (one, other)]
        assert falls == [view.flipped] * 2
        colourless = [bool((undone(v)[0] - undone(v)[2]).abs().max() < 1.5) for v in (one, other)]
        assert colourless == [view.grey] * 2


def undone(view: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    return (view * std + mean) * 255


def test_colours_of_two_images_change_by_the_same_factors():
    """Images of one colour, but of different sizes, get the same colour."""
    sizes = [(40, 40), (64, 48), (33, 100)]
    images = [Image.new("RGB", size, (180, 90, 30)) for size in sizes]
    for seed in range(20):
        view = Augmentation(32, (0.99, 1.0), grey=0.0, blur=0.0).draw(random.Random(seed))
        first, *others = (undone(view(image)) for image in images)
        assert all(torch.allclose(first, other, atol=1e-3) for other in others)
        unchanged = torch.tensor([180.0, 90, 30])[:, None, None].expand_as(first)
        assert torch.allclose(first, unchanged, atol=0.01) == (view.jitter is None)
        if view.jitter is not None:
            assert sorted(which for which, _ in view.jitter) == [0, 1, 2, 3]
            assert all(0.6 <= factor <= 1.4 for which, factor in view.jitter if which < 3)
            assert all(abs(factor) <= 0.1 for which, factor in view.jitter if which == 3)


def test_probabilities_are_those_of_moco_v2():
    views = [Augmentation().draw(random.Random(seed)) for seed in range(4000)]
    shares = {
        "jitter": (0.8, [v.jitter is not None for v in views]),
        "grey": (0.2, [v.grey for v in views]),
        "blur": (0.5, [v.radius > 0 for v in views]),
        "flip": (0.5, [v.flipped for v in views]),
    }
    for name, (expected, seen) in shares.items():
        assert np.mean(seen) == pytest.approx(expected, abs=0.04), name


def test_without_colour_jitter_colours_stay():
    views = [Augmentation(jitter=None).draw(random.Random(seed)) for seed in range(50)]
    assert all(view.jitter is None for view in views)


def test_pixels_are_normalised_by_imagenets_mean_and_deviation():
    image = synthetic_image(1)
    pixels = np.asarray(image, dtype=np.float64) / 255
    expected = ((pixels - MEAN) / STD).transpose(2, 0, 1)
    assert np.abs(normalised(image).numpy() - expected).max() < 1e-5


def test_the_centre_is_evaluated():
    view = undone(normalised(centre(coordinate_image(200, 100), 56)))
    assert view.shape == (3, 56, 56)
    assert float(view[0].mean()) == pytest.approx(99.5, abs=1.5)
    assert float(view[1].mean()) == pytest.approx(49.5, abs=1.5)
