"""What native code prints on standard error."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from typing import IO

_STDERR = 2
_STAMP = re.compile(r"^\[[^]]*\] \S+: ")
"""``[2026-01-01 12:00:00,000 W 12 12] gcs_client.cc:210: ``"""

_KEPT = 1 << 16


class NativeStderr:
    """While it is open, keeps native code's standard error apart; a context manager.

    What Python prints still arrives. Ray starts with the interpreter held and with a
    handler that answers SIGTERM with a stack dump before it hands the signal on; and its
    errors are pages of native log lines.
    """

    def __init__(self) -> None:
        self._python: IO[str] | None = None
        self._ours: IO[str] | None = None
        self._file: IO[bytes] | None = None

    def lines(self) -> list[str]:
        """What native code has printed so far, without the stamps in front."""
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
            # `_ours` is not closed: a logger may have taken it for its own.
            os.dup2(self._ours.fileno(), _STDERR)
            sys.stderr = self._python
            self._file.close()


def _descriptor(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None
