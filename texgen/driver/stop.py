"""Ctrl-C and SIGTERM: once asks the build to stop, twice stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from texgen.errors import InterruptedBuildError

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopRequest:
    """Catches the signals while it is open; a context manager.

    A signal raises `InterruptedBuildError`, but within `deferred` the first
    one only sets `exit_code`.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM, else None.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._deferring = False
        self._before: dict[int, Any] = {}

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """While shards are made, which the build itself brings to an end."""
        self._deferring = True
        # Ray puts a handler of its own in place when it starts.
        self._catch()
        try:
            yield
        finally:
            self._deferring = False

    def _catch(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in _CODES:
                before = signal.signal(number, self._asked)
                self._before.setdefault(number, before)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        code = _CODES[signal.Signals(number)]
        if self.exit_code is not None:
            # Twice: out at once. Task processes and engines follow this process's death.
            os._exit(code)
        self.exit_code = code
        if not self._deferring:
            message = "stopped while no shard was being made; the same command goes on"
            raise InterruptedBuildError(message, code)

    def __enter__(self) -> StopRequest:
        self._catch()
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            # None is a handler that was not set from Python and cannot be set again.
            if handler is not None:
                signal.signal(number, handler)
