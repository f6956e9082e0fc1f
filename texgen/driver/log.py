"""The log of a build, under ``_build/logs``."""

from __future__ import annotations

import logging
import time
from pathlib import Path


class BuildLog:
    """Appends lines with the time in front; a context manager.

    While it is open it takes what this process logs under ``texgen`` too.

    Args:
        path: Of the log, or None for a build that keeps none.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("a", encoding="utf-8") if path else None
        self._handler = _Handler(self)

    def line(self, text: str) -> None:
        """Appends a line."""
        if self._file:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            self._file.write(f"{stamp} {text}\n")
            self._file.flush()

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
