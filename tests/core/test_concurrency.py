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


def test_the_caller_is_called_back_while_it_waits():
    ended, calls = threading.Event(), []

    def on_wait() -> None:
        calls.append(threading.current_thread())
        ended.set()

    assert list(ordered_map(lambda _: ended.wait(30), range(3), 1, on_wait=on_wait)) == [True] * 3
    assert set(calls) == {threading.current_thread()}


def test_an_error_of_the_callback_ends_the_map():
    ended = threading.Event()

    def on_wait() -> None:
        ended.set()
        raise ValueError("enough")

    begun = []
    results = ordered_map(lambda n: (begun.append(n), ended.wait(30)), range(9), 2, on_wait=on_wait)
    with pytest.raises(ValueError, match="enough"):
        list(results)
    assert len(begun) <= 4


def failing_beside(ended: threading.Event, patience_s: float) -> list[int]:
    """Calls 0, which fails, and 1, which runs until ``ended``; returns what 1 has added by then."""
    running, arrived = threading.Event(), []

    def call(item: int) -> None:
        if item == 0:
            running.wait(20)
            raise ValueError("the first")
        running.set()
        ended.wait(20)
        arrived.append(item)

    with pytest.raises(ValueError, match="the first"):
        list(ordered_map(call, range(20), 2, ahead=20, patience_s=patience_s))
    return list(arrived)


def test_a_running_call_is_waited_for_when_another_fails():
    ended = threading.Event()
    threading.Timer(0.3, ended.set).start()
    assert 1 in failing_beside(ended, patience_s=20)


def test_a_running_call_is_waited_for_no_longer_than_the_patience():
    ended = threading.Event()
    try:
        assert failing_beside(ended, patience_s=0.1) == []
        assert failing_beside(ended, patience_s=0) == []
    finally:
        ended.set()
