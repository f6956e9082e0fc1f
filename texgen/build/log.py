"""The log of a build, under ``_build/logs``."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from texgen.core.text import escape_unprintable
from texgen.storage import storage_errors

WriteLine = Callable[[str], None]


@contextlib.contextmanager
def build_log(path: Path) -> Iterator[WriteLine]:
    """Opens the log of a build, which also takes what this process logs under ``texgen``.

    Yields:
        A function that appends a line, which then begins with the time and is escaped so that it
        prints. A line that cannot be written is lost.

    Raises:
        StorageError: If the log cannot be opened.
    """
    with storage_errors("write to", path):
        file = path.open("ab", buffering=0)

    def write(text: str) -> None:
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {escape_unprintable(text)}\n"
        # An error raised here would hide the error that the line is about.
        with contextlib.suppress(OSError):
            file.write(line.encode("utf-8", "backslashreplace"))

    with file, forwarded_records(write):
        try:
            yield write
        except BaseException as error:
            write(f"ERROR {type(error).__name__}: {error}")
            raise


@contextlib.contextmanager
def forwarded_records(write: WriteLine) -> Iterator[None]:
    """Passes what this process logs under ``texgen`` to ``write``, a line for each record."""
    handler, logger = _Forwarder(write), logging.getLogger("texgen")
    logger.addHandler(handler)
    # Without a level of its own it has the root's, which drops what is no warning.
    level = logger.level
    logger.setLevel(level or logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _Forwarder(logging.Handler):
    def __init__(self, write: WriteLine) -> None:
        super().__init__(logging.INFO)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        self._write(f"{record.levelname} {record.getMessage()}")
