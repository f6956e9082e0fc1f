"""Ctrl-C and SIGTERM: once asks the build to stop, twice stops it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FrameType

from texgen.core import signals


class StopRequest:
    """Catches the signals while it is open; a context manager.

    Within `deferred` the first one only sets `exit_code`, and the build brings itself
    to an end. At any other moment, and the second time, a signal ends the process at
    once: what has a final name is whole, and task processes, engines and a local Ray
    follow this process's death.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM, else None.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._deferring = False
        self._kept = contextlib.ExitStack()

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """While shards are made, which the build itself brings to an end."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code is not None:
            signals.leave(number, "stopped at once; the same command goes on")
        if not self._deferring:
            signals.leave(number, "stopped while no shard was being made; the same command goes on")
        self.exit_code = signals.exit_code(number)

    def __enter__(self) -> StopRequest:
        self._kept.enter_context(signals.kept())
        signals.catch(self._asked)
        return self

    def __exit__(self, *exception: object) -> None:
        self._kept.close()
