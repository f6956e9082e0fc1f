"""The figures of benchmarks/parity on pictures whose answers are known."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PARITY = Path(__file__).parents[2] / "benchmarks" / "parity"
PATCHES = np.random.default_rng(5).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(PARITY))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def copied(sources: np.ndarray) -> np.ndarray:
    column, row, example = np.moveaxis(sources, -1, 0)
    return PATCHES[example, row, column]


def one_piece(size: int = 30) -> np.ndarray:
    rows, columns = np.indices((size, size))
    return np.stack([columns + 4, rows + 6, np.ones_like(rows)], -1).astype(np.uint16)


def test_a_copied_piece_is_one_island(part) -> None:
    sources = one_piece()
    figures = part("sources").trace(sources, copied(sources), PATCHES)
    assert figures["coherent pairs"] == 1
    assert figures["mean island"] == figures["mean island of a pixel"] == 900
    assert figures["lone pixels"] == 0
    assert figures["source pixels used"] == 900 / 3200
    assert figures["share of example b"] == 1


def test_the_same_shift_in_the_other_example_is_another_island(part) -> None:
    sources = one_piece()
    sources[:, 20:, 2] = 0
    figures = part("sources").trace(sources, copied(sources), PATCHES)
    assert figures["mean island"] == 450
    assert figures["mean island of a pixel"] == (600 * 600 + 300 * 300) / 900
    assert figures["share of the larger part"] == 2 / 3


def test_islands_wind_and_touch_at_sides_only(part) -> None:
    spiral = np.array([[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    found = part("sources").islands(
        spiral[:, 1:] == spiral[:, :-1], np.asarray(spiral[1:] == spiral[:-1])
    )
    assert len(np.unique(found)) == 2
    chequers = np.indices((4, 4)).sum(0) % 2
    found = part("sources").islands(
        chequers[:, 1:] == chequers[:, :-1], chequers[1:] == chequers[:-1]
    )
    assert len(np.unique(found)) == 16


@pytest.mark.parametrize("turned", [False, True])
def test_the_mirrored_fit_tells_how_lone_pixels_were_looked_at(part, turned) -> None:
    sources = one_piece()
    texture = copied(sources)
    row, column = 15, 12
    # A pixel from the other example, whose surroundings are those of the texture here.
    sources[row, column] = (20, 22, 0)
    patches = PATCHES.copy()
    around = texture[row - 3 : row + 4, column - 3 : column + 4]
    patches[0, 19:26, 17:24] = (around[::-1, ::-1] if turned else around) ^ 1
    fit = part("sources").trace(sources, texture, patches)["mirrored fit of lone pixels"]
    assert fit < 0.5 if turned else fit > 2


def test_windows_of_an_example_are_at_no_distance_from_it(part) -> None:
    looks = part("looks")
    nearest = looks.Examples(PATCHES).likeness(PATCHES[1])
    assert nearest["9x9 to the nearest patch"] == pytest.approx(0, abs=0.5)
    noise = np.random.default_rng(6).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert looks.Examples(PATCHES).nearest(noise, 9) > 50


def drawn(part, seed: int, shift: float, spread: float) -> list:
    compare, rng = part("compare"), np.random.default_rng(seed)
    return [
        compare.Measured(
            {"colours": rng.normal(shift, spread, (10, 30))},
            {"islands": rng.normal(50 + shift, spread, 10)},
        )
        for _ in range(20)
    ]


def verdicts(part, shift: float, spread: float = 1.0) -> list[str]:
    rows = part("compare").compare(drawn(part, 1, 0, 1), drawn(part, 2, shift, spread))
    return [row.verdict for row in rows]


def test_verdicts_tell_chance_from_small_and_large_differences(part) -> None:
    assert verdicts(part, 0) == ["same", "same"]
    assert verdicts(part, 0.4) == ["explain", "explain"]
    assert verdicts(part, 10) == ["differs", "differs"]


def test_a_distribution_of_another_spread_is_told(part) -> None:
    assert verdicts(part, 0, 0.5)[0] != "same"
