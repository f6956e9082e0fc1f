"""Work in threads, in order and with a bounded number of items in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")

_TICK_S = 0.2


def in_order(
    call: Callable[[A], R], items: Iterable[A], workers: int, tick: Callable[[], None]
) -> Iterator[R]:
    """Calls ``call`` with every item, side by side.

    Args:
        call: Run in threads.
        items: Taken only as fast as they are worked on.
        workers: Threads.
        tick: Called a few times a second from the caller's thread.

    Yields:
        The results, in the order of the items.
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        for item in items:
            pending.append(threads.submit(call, item))
            if len(pending) > 2 * workers:
                yield _waited(pending.popleft(), tick)
        while pending:
            yield _waited(pending.popleft(), tick)


def _waited(future: Future[R], tick: Callable[[], None]) -> R:
    while not future.done():
        wait([future], _TICK_S)
        tick()
    return future.result()
