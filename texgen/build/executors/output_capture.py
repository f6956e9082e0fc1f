"""Captures what Ray and its native code print."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import tempfile
from typing import IO

_STDERR = 2
_STAMP = re.compile(r"^\[[^]]*\] \S+: ")
"""Stamp of a native log line, as ``[2026-01-01 12:00:00,000 W 12 12] gcs_client.cc:210: ``."""

_KEPT = 1 << 16

_log = logging.getLogger(__name__)


class NativeStderr:
    """Redirects native code's standard error to a file while it is open; a context manager.

    Python's own output still arrives. While Ray starts, it holds the interpreter, answers SIGTERM
    with a stack dump, and reports errors as pages of native log lines.
    """

    def __init__(self) -> None:
        self._python: IO[str] | None = None
        self._ours: IO[str] | None = None
        self._file: IO[bytes] | None = None

    def lines(self) -> list[str]:
        """Lines that native code has printed so far, without their stamps."""
        if self._file is None:
            return []
        text = os.pread(self._file.fileno(), _KEPT, 0).decode("utf-8", "replace")
        return [_STAMP.sub("", line) for line in text.splitlines() if line.strip()]

    def __enter__(self) -> NativeStderr:
        if sys.stderr is not None and _descriptor(sys.stderr) == _STDERR:
            sys.stderr.flush()
            self._file = tempfile.TemporaryFile()
            self._ours = os.fdopen(os.dup(_STDERR), "w", buffering=1, errors="backslashreplace")
            os.dup2(self._file.fileno(), _STDERR)
            self._python, sys.stderr = sys.stderr, self._ours
        return self

    def __exit__(self, *exception: object) -> None:
        if self._ours is not None and self._file is not None and self._python is not None:
            # `_ours` stays open: a logger may hold it.
            os.dup2(self._ours.fileno(), _STDERR)
            sys.stderr = self._python
            self._file.close()


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
