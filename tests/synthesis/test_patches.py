from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.synthesis.patches import PatchRule, mirror_to_minimum, patch_geometry, sample_patches

SIDES = st.integers(1, 40)
SEEDS = st.integers(0, 2**64 - 1)


def numbered(height: int, width: int) -> np.ndarray:
    """Pixels that tell where they are."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, (y * 31 + x * 17) % 256], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [
        (500, 375, 96), (96, 96, 96), (500, 96, 96), (500, 95, 48), (95, 500, 48), (48, 500, 48),
        (47, 500, 47), (500, 20, 20), (1, 1, 1),
    ],
)  # fmt: skip
def test_the_side_is_the_largest_that_fits(width, height, side):
    assert PatchRule(96, 48).side(width, height) == side


@given(SIDES, SIDES, SEEDS, st.integers(1, 50), st.integers(1, 50))
def test_patches_lie_inside_the_image(width, height, seed, large, small):
    large, small = max(large, small), min(large, small)
    boxes = patch_geometry(width, height, seed, PatchRule(large, small))
    assert (boxes.width, boxes.height) == (width, height)
    assert 1 <= boxes.side <= min(width, height)
    for x, y in (boxes.center, boxes.random):
        assert 0 <= x <= width - boxes.side
        assert 0 <= y <= height - boxes.side


@given(SIDES, SIDES, SEEDS)
def test_patches_are_the_pixels_of_their_boxes(width, height, seed):
    image = numbered(height, width)
    patches = sample_patches(image, seed, patch_size=12, small_patch_size=6)
    side = patches.boxes.side
    for patch, (x, y) in (
        (patches.center, patches.boxes.center),
        (patches.random, patches.boxes.random),
    ):
        assert patch.shape == (side, side, 3)
        assert patch[0, 0].tolist() == image[y, x].tolist()
        assert patch[-1, -1].tolist() == image[y + side - 1, x + side - 1].tolist()
        assert np.array_equal(patch, image[y : y + side, x : x + side])


@pytest.mark.parametrize(
    ("width", "height", "center"), [(500, 375, (202, 139)), (97, 97, (0, 0)), (60, 49, (6, 0))]
)
def test_the_centre_patch_is_centred_and_rounds_to_the_upper_left(width, height, center):
    assert patch_geometry(width, height, 0).center == center


@given(SIDES, SIDES, SEEDS)
def test_a_seed_gives_the_same_patches_again(width, height, seed):
    image = numbered(height, width)
    first, again = sample_patches(image, seed), sample_patches(image.copy(), seed)
    assert first.boxes == again.boxes
    assert np.array_equal(first.random, again.random)


def test_global_random_state_plays_no_part():
    np.random.seed(1)  # noqa: NPY002 - the state that must not matter
    first = patch_geometry(500, 375, 9)
    np.random.seed(2)  # noqa: NPY002
    assert patch_geometry(500, 375, 9) == first


def test_a_numpy_integer_is_a_seed_as_good_as_any():
    # A manifest read with numpy or pandas hands seeds over as numpy.int64.
    image = numbered(120, 130)
    assert (
        sample_patches(image, np.int64(2**52 + 1)).boxes == sample_patches(image, 2**52 + 1).boxes
    )


def test_random_patches_reach_every_position_about_equally_often():
    seen: dict[tuple[int, int], int] = {}
    for seed in range(6000):
        corner = patch_geometry(7, 5, seed, PatchRule(4, 4)).random
        seen[corner] = seen.get(corner, 0) + 1
    assert set(seen) == {(x, y) for x in range(4) for y in range(2)}
    chi_square = sum((count - 750) ** 2 / 750 for count in seen.values())
    assert chi_square < 24.3  # 7 degrees of freedom, p = 0.001


def test_patches_do_not_share_memory_with_the_image():
    image = numbered(20, 20)
    patches = sample_patches(image, 0)
    before = patches.center.copy()
    image[:] = 0
    assert np.array_equal(patches.center, before)
    assert np.array_equal(patches.random, before)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3), np.float32),
        np.zeros((0, 20, 3), np.uint8),
        np.zeros((1, 20, 20, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        sample_patches(image)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"seed": -1}, ValueError), ({"seed": 2**64}, ValueError), ({"seed": 1.0}, TypeError),
        ({"patch_size": 0}, ValueError), ({"patch_size": -96}, ValueError),
        ({"patch_size": 96.0}, TypeError), ({"small_patch_size": 0}, ValueError),
        ({"small_patch_size": "48"}, TypeError),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_is_refused_by_name(given, error):
    (name,) = given
    with pytest.raises(error, match=f"^{name} must be"):
        sample_patches(numbered(20, 20), **given)


@pytest.mark.parametrize("image", [[[[0, 0, 0]]], None, "image.jpg"])
def test_what_is_no_array_is_a_type_error(image):
    with pytest.raises(TypeError, match=type(image).__name__):
        sample_patches(image)


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_mirrored_patch_repeats_itself_back_and_forth(height, width):
    patch = numbered(height, width)
    mirrored = mirror_to_minimum(patch)
    assert mirrored.shape == (max(16, height), max(16, width), 3)
    for y, x in np.ndindex(mirrored.shape[:2]):
        there = [place % (2 * side) for place, side in ((y, height), (x, width))]
        back = [min(p, 2 * s - 1 - p) for p, s in zip(there, (height, width), strict=True)]
        assert mirrored[y, x].tolist() == patch[back[0], back[1]].tolist()


def test_a_patch_that_is_large_enough_is_left_alone():
    patch = numbered(16, 17)
    assert mirror_to_minimum(patch) is patch
