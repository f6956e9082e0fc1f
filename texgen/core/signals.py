"""Ctrl-C and SIGTERM: what every part of texgen needs of them."""

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
    """The exit code after a signal, as shells have it: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


def leave(number: int, message: str) -> None:
    """Ends the process at once after a signal, with one line on standard error.

    Nothing is unwound: an exception that a signal raises may surface anywhere, in
    an import or in Ray's start too, and would be printed or swallowed there.
    """
    text = f"texgen: {message}\n"
    # Past Python's buffers, which the interrupted code may be in the middle of. Without a
    # standard error its number may belong to any file.
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            descriptor = sys.stderr.fileno()
            # A progress bar hides the cursor, and nothing else will bring it back.
            if os.isatty(descriptor):
                text = _CLEAR_LINE + _SHOW_CURSOR + text
            os.write(descriptor, text.encode())
    os._exit(exit_code(number))


def catch(handler: Handler) -> None:
    """Has ``handler`` called for both signals; without effect outside the main thread."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, handler)


@contextlib.contextmanager
def kept() -> Iterator[Callable[[], None]]:
    """Puts both signals' handlers back at the end, whoever has changed them.

    Yields:
        A function that puts them back at once.
    """
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def put_back() -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                # None is a handler that was not set from Python and cannot be set again.
                if handler is not None:
                    signal.signal(number, handler)

    try:
        yield put_back
    finally:
        put_back()
