from __future__ import annotations

import threading

import pytest

from texgen.core.concurrency import ordered_map


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers):
    assert list(ordered_map(lambda n: n * n, range(50), workers)) == [n * n for n in range(50)]


def test_a_few_are_at_work_at_once_and_no_more_are_taken():
    taken, together = [], threading.Barrier(3)

    def items():
        for number in range(99):
            taken.append(number)
            yield number

    results = ordered_map(lambda _: together.wait(30), items(), 3)
    next(results)
    assert len(taken) == 6
    assert len(list(zip(range(5), results, strict=False))) == 5
    together.abort()  # what is under way would wait for a third until the time is up


def test_an_error_is_raised_where_its_result_belongs():
    results = ordered_map(lambda n: 1 // (3 - n), range(9), 2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
