"""Several files at once, when one of them fails."""

from __future__ import annotations

import threading

import pytest

from texgen.core.errors import StorageError
from texgen.transfer.byte_counter import ByteCounter, StoppedError, transfer_files


def counted() -> ByteCounter:
    return ByteCounter(10, 0, lambda done, total: None)


def failing_beside(ended: threading.Event, patience_s: float) -> list[int]:
    """Transfers 0, which fails, and 1, which runs until ``ended``; returns what has arrived."""
    running, arrived = threading.Event(), []

    def transfer(item: int) -> None:
        if item == 0:
            running.wait(20)
            raise StorageError("the first")
        running.set()
        ended.wait(20)
        arrived.append(item)

    with pytest.raises(StorageError, match="the first"):
        transfer_files(transfer, range(20), 2, counted(), patience_s=patience_s)
    return list(arrived)


def test_a_file_on_its_way_is_waited_for_when_another_fails():
    ended = threading.Event()
    threading.Timer(0.3, ended.set).start()
    assert 1 in failing_beside(ended, patience_s=20)


def test_one_that_does_not_arrive_is_waited_for_no_longer_than_the_patience():
    ended = threading.Event()
    try:
        assert failing_beside(ended, patience_s=0.1) == []
        assert failing_beside(ended, patience_s=0) == []
    finally:
        ended.set()


def test_an_error_is_raised_while_files_before_it_are_still_on_their_way():
    failed, ended = threading.Event(), threading.Event()

    def transfer(item: int) -> None:
        if item == 1:
            failed.set()
            raise StorageError("the second")
        failed.wait(20)
        ended.wait(20)

    try:
        with pytest.raises(StorageError, match="the second"):
            transfer_files(transfer, range(3), 2, counted())
    finally:
        ended.set()


def test_threads_that_are_stopped_do_not_hide_the_error_that_stopped_them():
    failed, counter = threading.Event(), counted()

    def transfer(item: int) -> None:
        if item == 1:
            failed.set()
            raise StorageError("the second")
        failed.wait(20)
        while True:
            counter.add(0)

    with pytest.raises(StorageError, match="the second"):
        transfer_files(transfer, range(3), 2, counter, patience_s=20)


def test_after_an_error_nothing_more_is_begun():
    begun = []

    def transfer(item: int) -> None:
        begun.append(item)
        counter.stop()

    counter = counted()
    with pytest.raises(StoppedError):
        transfer_files(transfer, range(5), 1, counter)
    assert begun == [0]
