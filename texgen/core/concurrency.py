"""Many small requests, a few at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def ordered_map(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """What ``function`` makes of ``items``, in order; it is called some way ahead.

    Args:
        function: Threads call it.
        items: Any number: no more are taken than are worked on.
        workers: Threads; with 1 there is none beside the caller's.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pending: deque[Future[_Result]] = deque()
    threads = ThreadPoolExecutor(workers)
    try:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
