"""Files that go from place to place side by side, and how far they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import TypeVar

_Item = TypeVar("_Item")

OnProgress = Callable[[int, int], None]
"""Called with the bytes that are there and those of the whole."""


class Counter:
    """Bytes that are there, from several threads.

    Args:
        total: Bytes of the whole.
        done: Those that are there from the beginning.
        tell: See `OnProgress`.

    Attributes:
        total: Bytes of the whole.
        done: Those that are there by now.
    """

    def __init__(self, total: int, done: int, tell: OnProgress) -> None:
        self.total = total
        self.done = done
        self._tell = tell
        self._guard = threading.Lock()
        self._stopped = False
        tell(done, total)

    def add(self, count: int) -> None:
        """Takes bytes that came, or fewer than none.

        Raises:
            StoppedError: Once the transfer has ended, for threads that still run.
        """
        with self._guard:
            if self._stopped:
                raise StoppedError
            self.done += count
            self._tell(self.done, self.total)

    def check(self) -> None:
        """Called before the next file.

        Raises:
            StoppedError: Once the transfer has ended.
        """
        with self._guard:
            if self._stopped:
                raise StoppedError

    def stop(self) -> None:
        """Ends the threads that still run."""
        with self._guard:
            self._stopped = True


class StoppedError(Exception):
    """Another file's error has ended the transfer."""


def side_by_side(
    transfer: Callable[[_Item], object],
    items: Iterable[_Item],
    workers: int,
    counter: Counter,
    *,
    patience: float = 0,
) -> None:
    """Calls ``transfer`` for every item, some at once; the first error ends it.

    Args:
        transfer: Brings one file.
        items: What is brought.
        workers: Files at once.
        counter: Threads that still run after an error end when they next tell it.
        patience: Seconds that such threads are waited for; whoever stops the program does not wait.
    """

    def brought(item: _Item) -> None:
        # A thread takes its next file before it can be known that another's has failed.
        counter.check()
        transfer(item)

    threads = ThreadPoolExecutor(workers)
    futures = [threads.submit(brought, item) for item in items]
    try:
        for future in as_completed(futures):
            future.result()
    except Exception:
        _end(threads, counter)
        # Of those that were cancelled no thread says that they are done.
        wait([future for future in futures if not future.cancelled()], patience)
        raise
    finally:
        _end(threads, counter)


def _end(threads: ThreadPoolExecutor, counter: Counter) -> None:
    counter.stop()
    threads.shutdown(wait=False, cancel_futures=True)
