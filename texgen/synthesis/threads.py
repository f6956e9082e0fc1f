"""Threads that do not hold up the end of the interpreter."""

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
    """Calls a function in threads, which start as they are needed.

    Unlike those of a `ThreadPoolExecutor` they are daemons: the interpreter waits for that
    one's threads before `atexit` has a chance to kill what they wait for.

    Args:
        size: Number of threads.
        name: Prefix of their names.
        call: The function.
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
        """Has the function called with ``argument`` when a thread is free.

        Raises:
            RuntimeError: After `close`; or if the system starts no thread and none runs, and then
                the next call tries again.
        """
        future: Future[R] = Future()
        with self._guard:
            if self._closed:
                message = "the threads have ended"
                raise RuntimeError(message)
            if len(self._threads) < min(self._size, self._unfinished + 1):
                self._start()
            self._waiting.put((future, argument))
            self._unfinished += 1
        return future

    def close(self) -> None:
        """Cancels what has not begun and waits for what has."""
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
            # Those that run do its work too.
            return
        self._threads.append(thread)

    def _serve(self) -> None:
        while item := self._waiting.get():
            self._answer(*item)

    def _answer(self, future: Future[R], argument: A) -> None:
        if not future.set_running_or_notify_cancel():
            self._finished()
            return
        try:
            result = self._call(argument)
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            self._finished()
            future.set_exception(error)
        else:
            self._finished()
            future.set_result(result)

    def _finished(self) -> None:
        """Before the result is out: whoever waits for it may come with the next call at once."""
        with self._guard:
            self._unfinished -= 1
