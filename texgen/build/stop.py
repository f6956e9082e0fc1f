"""Ctrl-C and SIGTERM: the first signal asks the build to stop, the second ends the process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FrameType

from texgen.core import signals


class StopRequest:
    """Catches the signals while it is open; a context manager.

    Within `deferred` the first signal only sets `exit_code`, and the build stops by itself.
    At any other moment, and the second time, a signal ends the process at once. That is safe:
    files with a final name are complete, and task processes, engines and a local Ray end when
    this process does.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM, else None.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self._deferring = False
        self._handlers = contextlib.ExitStack()

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Defers the first signal; the build makes shards within, and polls `exit_code`."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code is not None:
            signals.leave(number, "stopped at once; the same command resumes the build")
        if not self._deferring:
            signals.leave(
                number, "stopped while no shard was being made; the same command resumes the build"
            )
        self.exit_code = signals.exit_code(number)

    def __enter__(self) -> StopRequest:
        self._handlers.enter_context(signals.kept())
        signals.catch(self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        self._handlers.close()
