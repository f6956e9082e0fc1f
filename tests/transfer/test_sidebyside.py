"""Files side by side, when one of them fails."""

from __future__ import annotations

import threading

import pytest

from texgen.core.errors import StorageError
from texgen.transfer.sidebyside import Counter, StoppedError, side_by_side


def counted() -> Counter:
    return Counter(10, 0, lambda done, total: None)


def failing_beside(ended: threading.Event, patience: float) -> list[int]:
    """Transfers 0, which fails, and 1, which goes on until ``ended``; what has arrived by then."""
    running, arrived = threading.Event(), []

    def transfer(item: int) -> None:
        if item == 0:
            running.wait(20)
            raise StorageError("the first")
        running.set()
        ended.wait(20)
        arrived.append(item)

    with pytest.raises(StorageError, match="the first"):
        side_by_side(transfer, range(20), 2, counted(), patience=patience)
    return list(arrived)


def test_a_file_on_its_way_is_waited_for_when_another_fails():
    ended = threading.Event()
    threading.Timer(0.3, ended.set).start()
    assert 1 in failing_beside(ended, patience=20)


def test_one_that_does_not_arrive_is_waited_for_no_longer_than_was_said():
    ended = threading.Event()
    try:
        assert failing_beside(ended, patience=0.1) == []
        assert failing_beside(ended, patience=0) == []
    finally:
        ended.set()


def test_after_an_error_nothing_more_is_begun():
    begun = []

    def transfer(item: int) -> None:
        begun.append(item)
        counter.stop()

    counter = counted()
    with pytest.raises(StoppedError):
        side_by_side(transfer, range(5), 1, counter)
    assert begun == [0]
