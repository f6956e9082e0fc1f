"""One bounded thread map for every stage that reads, checks or transfers several files at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_TICK_S = 0.2


def ordered_map(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int,
    *,
    ahead: int | None = None,
    on_wait: Callable[[], None] | None = None,
    patience_s: float | None = None,
) -> Iterator[_Result]:
    """Yields the results of ``function`` in the order of ``items``; threads compute them ahead.

    An error is raised when its item's turn comes. It ends the map, and calls that have not begun
    are cancelled.

    Args:
        function: Function of one item.
        items: Iterable of any length. An item is taken only when its call can be submitted.
        workers: Number of threads. With 1 and without ``on_wait`` the caller's thread does the
            work, one item at a time.
        ahead: Calls that may be submitted before the first result is taken, ``2 * workers`` by
            default.
        on_wait: Called every 0.2 s by the caller's thread while it waits for a result. An error
            that it raises ends the map.
        patience_s: Seconds to wait after an error for the calls that still run. None waits until
            they return. With a number, a signal that stops the program does not wait at all.
    """
    if workers == 1 and on_wait is None:
        yield from map(function, items)
        return
    pending: deque[Future[_Result]] = deque()
    threads = ThreadPoolExecutor(workers)

    try:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) >= (ahead or 2 * workers):
                yield _next_result(pending, on_wait)
        while pending:
            yield _next_result(pending, on_wait)
    except Exception:
        threads.shutdown(wait=False, cancel_futures=True)
        # A cancelled call never becomes done for `wait`.
        wait([call for call in pending if not call.cancelled()], patience_s)
        raise
    finally:
        threads.shutdown(wait=patience_s is None, cancel_futures=True)


def _next_result(pending: deque[Future[_Result]], on_wait: Callable[[], None] | None) -> _Result:
    while on_wait is not None and not pending[0].done():
        wait([pending[0]], _TICK_S)
        on_wait()
    return pending.popleft().result()
