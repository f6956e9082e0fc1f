"""Captures what Ray and its native code print."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

_STDERR = 2
_STAMP = re.compile(r"^\[[^]]*\] \S+: ")
"""Stamp of a native log line, as ``[2026-01-01 12:00:00,000 W 12 12] gcs_client.cc:210: ``."""

_KEPT = 1 << 16

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def native_stderr() -> Iterator[Callable[[], list[str]]]:
    """Redirects native code's standard error to a file while it is open.

    Python's own output still arrives. While Ray starts, it holds the interpreter, answers SIGTERM
    with a stack dump, and reports errors as pages of native log lines.

    Yields:
        A function that returns the lines printed so far, without their stamps.
    """
    python = sys.stderr
    if python is None or _descriptor(python) != _STDERR:
        yield list
        return
    with tempfile.TemporaryFile() as file:

        def lines() -> list[str]:
            text = os.pread(file.fileno(), _KEPT, 0).decode("utf-8", "replace")
            return [_STAMP.sub("", line) for line in text.splitlines() if line.strip()]

        python.flush()
        # It stays open at the end: a logger may hold it.
        ours = os.fdopen(os.dup(_STDERR), "w", buffering=1, errors="backslashreplace")
        os.dup2(file.fileno(), _STDERR)
        sys.stderr = ours
        try:
            yield lines
        finally:
            os.dup2(ours.fileno(), _STDERR)
            sys.stderr = python


def _descriptor(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


class LogStream(io.TextIOBase):
    """Text stream whose lines go to the log."""

    def __init__(self) -> None:
        self._line = ""

    def writable(self) -> bool:
        """Whether it can be written: yes."""
        return True

    def write(self, text: str) -> int:
        """Logs the complete lines of ``text``."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.strip():
                _log.warning("Ray says: %s", line)
        return len(text)
