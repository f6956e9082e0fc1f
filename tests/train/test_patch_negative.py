"""Negatives made of patches of the image."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import texgen
from tests.train.conftest import coordinate_image
from texgen.train.patch_negative import PatchNegative


def coordinates(width: int, height: int) -> torch.Tensor:
    """Returns the column and the row of each pixel, (2, H, W)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(8, 60),
    height=st.integers(8, 60),
    side=st.integers(1, 80),
    seed=st.integers(0, 1000),
)
def test_every_tile_is_a_square_patch_from_within_the_image(width, height, side, seed):
    made = PatchNegative((side, side), generator=seeded(seed))(coordinates(width, height))
    assert made.shape == (2, height, width)
    side = min(side, width, height)
    for top in range(0, height, side):
        for left in range(0, width, side):
            tile = made[:, top : top + side, left : left + side]
            h, w = tile.shape[1:]
            x, y = tile[:, 0, 0]
            assert torch.equal(tile, coordinates(w, h) + torch.stack([x, y])[:, None, None])
            assert x + side <= width
            assert y + side <= height


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000))
def test_without_overlap_every_pixel_occurs_once(seed):
    make = PatchNegative((16, 72), non_overlapping=True, generator=seeded(seed))
    made = make(coordinates(224, 224))
    places = made[0] * 224 + made[1]
    assert torch.equal(places.flatten().sort().values, torch.arange(224 * 224))


def test_without_overlap_a_range_in_which_nothing_divides_the_sides_is_refused():
    with pytest.raises(ValueError, match="no side divides 224 x 224 px"):
        PatchNegative((40, 50), non_overlapping=True)(coordinates(224, 224))


def test_both_ends_of_the_range_are_drawn_and_evenly():
    generator = seeded(0)
    make = PatchNegative((3, 6), generator=generator)
    image = coordinates(60, 60)
    drawn = [side_of(make(image)) for _ in range(800)]
    counts = [drawn.count(d) for d in range(3, 7)]
    assert sum(counts) == 800
    # Four equal parts of 800, each within five standard deviations of 200.
    assert all(abs(count - 200) < 62 for count in counts), counts


def side_of(made: torch.Tensor) -> int:
    """Returns the column at which the first patch ends; patches rarely join by chance on 60 px."""
    first = made[:, 0]
    whole = (first[0] == first[0, 0] + torch.arange(60)) & (first[1] == first[1, 0])
    return int((~whole).nonzero()[0])


def test_one_generator_gives_one_negative_and_torchs_own_is_the_default():
    image = coordinates(50, 40)
    same = [PatchNegative((8, 16), generator=seeded(3))(image) for _ in range(2)]
    assert torch.equal(*same)
    torch.manual_seed(4)
    first = texgen.PatchNegative(size_range=(8, 16))(image)
    torch.manual_seed(4)
    assert torch.equal(first, texgen.PatchNegative(size_range=(8, 16))(image))


def test_it_works_in_a_torchvision_pipeline():
    from torchvision.transforms import v2

    steps = v2.Compose([v2.PILToTensor(), texgen.PatchNegative((16, 72))])
    made = copy.deepcopy(steps)(coordinate_image(224, 224))
    assert made.shape == (3, 224, 224)
    assert made.dtype == torch.uint8


@pytest.mark.parametrize("size_range", [(0, 5), (9, 8), (-3, -1)])
def test_an_invalid_range_is_refused(size_range):
    with pytest.raises(ValueError, match="size_range"):
        PatchNegative(size_range)


def test_a_batch_of_images_is_refused():
    with pytest.raises(ValueError, match=r"\(C, H, W\)"):
        PatchNegative()(torch.zeros(2, 3, 224, 224))
