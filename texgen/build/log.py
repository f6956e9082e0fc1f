"""The log of a build, under ``_build/logs``."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

from texgen.core.text import escape_unprintable
from texgen.storage import storage_errors


class BuildLog:
    """Appends lines that begin with the time; a context manager.

    While it is open, it also takes what this process logs under ``texgen``.

    Args:
        path: Path of the log; None for a build that keeps none.

    Raises:
        StorageError: If the log cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None
        if path:
            with storage_errors("write to", path):
                self._file = path.open("ab", buffering=0)
        self._handler = _Handler(self)

    def line(self, text: str) -> None:
        """Appends a line, escaped so that it prints. A line that cannot be written is lost."""
        if self._file:
            line = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {escape_unprintable(text)}\n"
            # An error raised here would hide the error that the line is about.
            with contextlib.suppress(OSError):
                self._file.write(line.encode("utf-8", "backslashreplace"))

    def __enter__(self) -> BuildLog:
        logging.getLogger("texgen").addHandler(self._handler)
        return self

    def __exit__(self, exception_type: object, exception: BaseException | None, _: object) -> None:
        logging.getLogger("texgen").removeHandler(self._handler)
        if exception is not None:
            self.line(f"ERROR {type(exception).__name__}: {exception}")
        if self._file:
            self._file.close()


class _Handler(logging.Handler):
    def __init__(self, log: BuildLog) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.line(f"{record.levelname} {record.getMessage()}")
