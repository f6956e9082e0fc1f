"""Several files at once, when one of them fails."""

from __future__ import annotations

import threading

import pytest

from texgen.core.errors import StorageError
from texgen.transfer.byte_counter import ByteCounter, StoppedError, transfer_files


def counted() -> ByteCounter:
    return ByteCounter(10, 0, lambda done, total: None)


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
