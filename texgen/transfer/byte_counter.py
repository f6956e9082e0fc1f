"""Transfers several files at once and counts their bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from texgen.core.concurrency import ordered_map
from texgen.dataset.index import DataFile

OnTransferProgress = Callable[[int, int], None]
"""Called with the bytes that are in place and the bytes of all files."""


class StoppedError(Exception):
    """The transfer has ended, so this thread's file is no longer wanted."""


class ByteCounter:
    """Bytes that are in place, counted by several threads.

    Attributes:
        total: Bytes of all files.
        done: Bytes that are in place by now.
        error: First error of any file, which has stopped the transfer.
    """

    def __init__(self, total: int, done: int, on_progress: OnTransferProgress) -> None:
        self.total = total
        self.done = done
        self.error: Exception | None = None
        self._on_progress = on_progress
        self._guard = threading.Lock()
        self._stopped = False
        on_progress(done, total)

    def add(self, count: int) -> None:
        """Adds bytes that arrived; a negative number where some had to be thrown away.

        Raises:
            StoppedError: If the transfer has ended.
        """
        with self._guard:
            self.check()
            self.done += count
            self._on_progress(self.done, self.total)

    def check(self) -> None:
        """Raises `StoppedError` if the transfer has ended."""
        if self._stopped:
            raise StoppedError

    def stop(self, error: Exception | None = None) -> None:
        """Ends the transfer: threads that still run get a `StoppedError` when they next count."""
        with self._guard:
            if not self._stopped:
                self._stopped, self.error = True, error


def transfer_files(
    transfer: Callable[[DataFile], object],
    files: Sequence[DataFile],
    workers: int,
    counter: ByteCounter,
    *,
    patience_s: float = 0,
) -> None:
    """Calls ``transfer`` for every file, some at once; the first error ends it and is raised.

    The counter then stops the other threads, which have ``patience_s`` seconds to end. A signal
    that stops the program does not wait.
    """

    def transfer_or_stop(file: DataFile) -> None:
        # A thread takes its next file before it can be known that another's has failed.
        counter.check()
        try:
            transfer(file)
        except Exception as error:
            counter.stop(error)
            raise

    results = ordered_map(
        transfer_or_stop,
        files,
        workers,
        # One slow file must not keep the other threads waiting.
        ahead=len(files),
        on_wait=counter.check,
        patience_s=patience_s,
    )
    try:
        for _ in results:
            pass
    except StoppedError:
        # The thread that failed first says what happened, whichever thread is noticed first.
        raise counter.error or StoppedError from None
    finally:
        counter.stop()
