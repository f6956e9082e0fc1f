"""Handling of Ctrl-C and SIGTERM that all commands share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], Any]

_CLEAR_LINE = "\r\x1b[K"
_SHOW_CURSOR = "\x1b[?25h"


def exit_code(number: int) -> int:
    """Exit code that shells give a process ended by a signal: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


def leave(number: int, message: str) -> None:
    """Ends the process at once after a signal, with one line on standard error.

    No stack is unwound: an exception raised by a signal handler may surface in an import or
    while Ray starts, and would be printed or swallowed there.
    """
    text = f"texgen: {message}\n"
    # Written past Python's buffers, which the interrupted code may be changing. If standard
    # error is closed, its descriptor may belong to any file.
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            descriptor = sys.stderr.fileno()
            # A progress bar hides the cursor, and no other code will show it again.
            if os.isatty(descriptor):
                text = _CLEAR_LINE + _SHOW_CURSOR + text
            os.write(descriptor, text.encode())
    os._exit(exit_code(number))


def catch(handler: Handler) -> None:
    """Installs ``handler`` for both signals; has no effect outside the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, handler)


@contextlib.contextmanager
def kept() -> Iterator[Callable[[], None]]:
    """Restores the handlers of both signals at the end, even if native code changed them.

    Yields:
        A function that restores them at once.
    """
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                # None stands for a handler that was not set from Python and cannot be set again.
                if handler is not None:
                    signal.signal(number, handler)

    try:
        yield restore
    finally:
        restore()
