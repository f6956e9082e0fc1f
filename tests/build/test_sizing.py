from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.build.sizing import engines_per_shard

ROWS = st.lists(st.integers(1, 600), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("rows", "nodes", "workers", "engines"),
    [
        ([512] * 1000, 1, 8, 1),
        ([512] * 32, 1, 8, 1),
        ([512], 1, 8, 8),
        ([512], 4, 8, 8),
        ([512, 512], 1, 8, 4),
        ([512] * 4, 1, 8, 2),
        ([512] * 8, 1, 8, 1),
        ([512] * 8, 2, 8, 2),
        ([512] * 9, 1, 8, 8),
        ([1] * 3, 1, 8, 1),
        ([512], 1, 1, 1),
        ([3, 2], 1, 4096, 3),
    ],
)
def test_few_shards_share_their_workers_and_many_do_not(rows, nodes, workers, engines):
    assert engines_per_shard(rows, nodes, workers) == engines


def longest(rows: list[int], nodes: int, workers: int, engines: int) -> int:
    """Textures that the busiest engine makes, where a free slot takes the next shard."""
    free_at = [0] * (nodes * (workers // engines))
    for count in rows:
        free_at.sort()
        free_at[0] += math.ceil(count / engines)
    return max(free_at)


@given(ROWS, st.integers(1, 4), st.integers(1, 12))
def test_no_other_number_of_engines_would_be_faster_with_few_shards(rows, nodes, workers):
    engines = engines_per_shard(rows, nodes, workers)
    assert 1 <= engines <= workers
    if len(rows) < 4 * nodes * workers:
        times = [longest(rows, nodes, workers, other) for other in range(1, workers + 1)]
        assert longest(rows, nodes, workers, engines) == min(times)


@given(ROWS, st.integers(1, 3), st.integers(1, 8))
def test_every_engine_finds_a_place(rows, nodes, workers):
    engines = engines_per_shard(rows, nodes, workers)
    assert workers // engines >= 1


def test_no_more_engines_share_a_shard_than_it_has_textures():
    assert engines_per_shard([5], 1, 10**6) == 5


def test_many_workers_do_not_make_the_search_long():
    started = time.process_time()
    assert engines_per_shard([3] * 12_000, 1, 4096) == 1
    assert time.process_time() - started < 2
