"""The map of random positions, and the chi-square test for uniformity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.report.position_test import FINEST, PositionCounts, _shares, chi_square_tail
from texgen.synthesis.patches import patch_geometry


@pytest.mark.parametrize(
    ("freedom", "statistic"), [(3, 7.815), (15, 24.996), (63, 82.529), (255, 293.248)]
)
def test_the_tail_is_that_of_printed_tables(freedom, statistic):
    assert chi_square_tail(statistic, freedom) == pytest.approx(0.05, abs=2e-5)


@given(st.floats(0, 1e7), st.sampled_from([3, 15, 63, 255]))
def test_the_tail_is_a_probability_and_falls(statistic, freedom):
    tail = chi_square_tail(statistic, freedom)
    assert 0 <= chi_square_tail(statistic * 1.5 + 1, freedom) <= tail + 1e-12 <= 1 + 1e-12


@given(st.integers(1, 400))
def test_shares_are_those_of_all_positions_one_by_one(number):
    columns = np.arange(number) * FINEST // number
    expected = np.bincount(columns, minlength=FINEST) / number
    assert np.allclose(_shares(np.array([number]))[0], expected)


def placed(count: int, size: tuple[int, int] = (150, 131)) -> tuple[np.ndarray, np.ndarray]:
    corners = [patch_geometry(*size, seed).random for seed in range(count)]
    return np.array(corners), np.tile(np.array(size) - 95, (count, 1))


@pytest.mark.parametrize(("count", "cells"), [(25, 2), (100, 4), (500, 8), (2000, 16)])
def test_positions_as_they_are_drawn_pass_on_the_finest_map_that_holds_enough(count, cells):
    positions = PositionCounts()
    positions.add(*placed(count))
    counts = positions.heat_map()
    assert counts.observed.shape == (cells, cells)
    assert counts.observed.sum() == count == pytest.approx(counts.expected.sum())
    assert counts.freedom == cells * cells - 1
    assert counts.p_value > 0.001


def test_positions_come_out_the_same_in_one_batch_or_many():
    corners, ranges = placed(500)
    whole, parts = PositionCounts(), PositionCounts()
    whole.add(corners, ranges)
    for part in range(0, 500, 77):
        parts.add(corners[part : part + 77], ranges[part : part + 77])
    assert np.array_equal(whole.heat_map().observed, parts.heat_map().observed)
    assert whole.heat_map().p_value == pytest.approx(parts.heat_map().p_value)


@pytest.mark.parametrize("shift", [lambda x: x // 2, lambda x: x * 0, lambda x: x * 0.93])
def test_positions_that_keep_to_a_side_are_detected(shift):
    corners, ranges = placed(2000)
    positions = PositionCounts()
    positions.add(shift(corners).astype(np.int64), ranges)
    assert positions.heat_map().p_value < 0.001


def test_rows_and_columns_are_not_mistaken_for_each_other():
    positions = PositionCounts()
    corners = np.tile([99, 0], (2000, 1))
    positions.add(corners, np.full((2000, 2), 100))
    assert positions.heat_map().observed[0, -1] == 2000


def test_images_without_room_are_left_out_and_too_few_give_no_map():
    positions = PositionCounts()
    positions.add(np.array([[0, 0], [3, 3], [5, 99]]), np.array([[1, 1], [15, 50], [50, 50]]))
    assert (positions.used, positions.left_out) == (0, 3)
    assert positions.heat_map() is None
    positions.add(*placed(19))
    assert positions.heat_map() is None
    positions.add(np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64))
    assert positions.used == 19
