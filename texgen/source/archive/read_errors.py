"""Errors of reading archives, which may have changed since they were listed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from texgen.core.errors import SourceChangedError, SourceReadError
from texgen.core.types import ImageEntry
from texgen.source.locator import Locator
from texgen.storage.ranges import ChangedFileError

_PUT_BACK = "put the archive back, or build into a new OUT"


def changed_archive_error(locator: Locator) -> SourceChangedError:
    """The error for an archive that has the same size and other content."""
    message = f"{locator.archive} was written again since the build was planned; {_PUT_BACK}"
    return SourceChangedError(message)


def check_archive_size(size: int, locator: Locator) -> None:
    """Checks that an archive has the size that it had when it was listed.

    Raises:
        SourceChangedError: If its size differs.
    """
    if size != locator.archive_bytes:
        message = (
            f"{locator.archive} had {locator.archive_bytes} bytes when the build was planned and "
            f"now has {size}; {_PUT_BACK}"
        )
        raise SourceChangedError(message)


@contextlib.contextmanager
def translate_read_errors(entry: ImageEntry, locator: Locator) -> Iterator[None]:
    """Turns an OSError while an archive is read into a SourceChangedError or SourceReadError."""
    try:
        yield
    except ChangedFileError as error:
        raise changed_archive_error(locator) from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        message = f"{locator.archive} is gone since the build was planned; put it back"
        raise SourceChangedError(message) from error
    except OSError as error:
        reason = error.strerror or error
        message = f"cannot read {entry.source}: {reason}; run the same command again"
        raise SourceReadError(message) from error
