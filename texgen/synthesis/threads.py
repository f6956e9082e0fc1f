"""Threads that do not delay the end of the interpreter."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class DaemonThreads(Generic[A, R]):
    """Calls a function in up to ``size`` daemon threads, which start when they are needed.

    At its end the interpreter waits for the threads of a `ThreadPoolExecutor` before `atexit`
    can kill the processes that those threads wait for. It does not wait for daemons.
    """

    def __init__(self, size: int, name: str, call: Callable[[A], R]) -> None:
        self._size = size
        self._name = name
        self._call = call
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._waiting: SimpleQueue[tuple[Future[R], A] | None] = SimpleQueue()
        self._unfinished = 0
        self._closed = False

    def submit(self, argument: A) -> Future[R]:
        """Schedules a call of the function with ``argument``.

        Raises:
            RuntimeError: After `close`, or if no thread runs and the system starts none; in that
                case the next call tries again.
        """
        future: Future[R] = Future()
        with self._guard:
            if self._closed:
                raise RuntimeError("the threads have ended")
            if len(self._threads) < min(self._size, self._unfinished + 1):
                self._start()
            self._waiting.put((future, argument))
            self._unfinished += 1
        return future

    def close(self) -> None:
        """Cancels calls that have not begun and waits for the others."""
        with self._guard:
            self._closed = True
        with contextlib.suppress(Empty):
            while True:
                if item := self._waiting.get_nowait():
                    item[0].cancel()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            # The threads that run do its work too.
            return
        self._threads.append(thread)

    def _serve(self) -> None:
        while item := self._waiting.get():
            self._answer(*item)

    def _answer(self, future: Future[R], argument: A) -> None:
        if not future.set_running_or_notify_cancel():
            self._count_finished()
            return
        try:
            result = self._call(argument)
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            self._count_finished()
            future.set_exception(error)
        else:
            self._count_finished()
            future.set_result(result)

    def _count_finished(self) -> None:
        """Counts a call as finished before its waiting thread knows, which may submit at once."""
        with self._guard:
            self._unfinished -= 1
