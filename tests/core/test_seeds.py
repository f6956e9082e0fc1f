from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.core.seeds import position_index, texture_seed

KEYS = st.text("abz09_-~/", min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("run_seed", "key", "index", "expected"),
    [
        (0, "n01440764/n01440764_10026", 0, 7344810585553526),
        (0, "n01440764/n01440764_10026", 1, 4616660225561476),
        (-3, "a", 999, 3903275511906811),
        (2**70, "a", 0, 4751163152689873),
    ],
)
def test_seeds_never_change_between_versions(run_seed, key, index, expected):
    assert texture_seed(run_seed, key, index) == expected


@pytest.mark.parametrize(
    ("seed", "count", "expected"), [(0, 129 * 97, 12050), (2**53 - 1, 129 * 97, 2169), (7, 1, 0)]
)
def test_positions_never_change_between_versions(seed, count, expected):
    assert position_index(seed, count) == expected


@given(st.integers(), KEYS, st.integers(0, 999))
def test_a_seed_is_exact_as_a_double(run_seed, key, index):
    seed = texture_seed(run_seed, key, index)
    assert 0 <= seed < 2**53
    assert int(float(seed)) == seed


def test_run_seed_key_and_index_each_change_the_seed():
    run_seeds, keys, indices = range(-5, 15), ["a", "a/1", "1", "1/a", "a-1"], range(30)
    drawn = {texture_seed(r, k, i) for r in run_seeds for k in keys for i in indices}
    assert len(drawn) == 20 * 5 * 30


def test_seeds_use_all_their_bits():
    either = all_ones = 0
    for index in range(200):
        seed = texture_seed(0, "a", index)
        either |= seed
        all_ones |= ~seed
    assert either == 2**53 - 1
    assert all_ones & (2**53 - 1) == 2**53 - 1


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**70))
def test_a_position_is_below_the_count(seed, count):
    assert 0 <= position_index(seed, count) < count


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**60), st.integers(1, 2**60))
def test_a_seed_draws_the_same_relative_place_of_any_count(seed, first, second):
    small, large = sorted((first, second))
    assert position_index(seed, small) <= position_index(seed, large)


def test_positions_are_uniform():
    bins, draws = 12, 12_000
    counts = [0] * bins
    for index in range(draws):
        counts[position_index(texture_seed(0, "a", index), bins)] += 1
    expected = draws / bins
    chi_square = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_square < 31.3  # 11 degrees of freedom, p = 0.001
