"""Reading photographs out of archives that may have changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from texgen.core.errors import SourceChangedError, SourceReadError
from texgen.core.types import ImageEntry
from texgen.source.locator import Locator
from texgen.storage.ranges import ChangedFileError

_PUT_BACK = "put the archive back, or build into a new OUT"


def changed(place: Locator) -> SourceChangedError:
    """The error of an archive that has the same size and other content."""
    message = f"{place.archive} was written anew since the build was planned; {_PUT_BACK}"
    return SourceChangedError(message)


def check_size(size: int, place: Locator) -> None:
    """Checks that an archive has the size that it had when it was listed.

    Raises:
        SourceChangedError: If not.
    """
    if size != place.archive_bytes:
        message = (
            f"{place.archive} had {place.archive_bytes} bytes when the build was planned and now "
            f"has {size}; {_PUT_BACK}"
        )
        raise SourceChangedError(message)


@contextlib.contextmanager
def reading(entry: ImageEntry, place: Locator) -> Iterator[None]:
    """Turns the system's errors while an archive is read into those of a source."""
    try:
        yield
    except ChangedFileError as error:
        raise changed(place) from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        message = f"{place.archive} is gone since the build was planned; put it back"
        raise SourceChangedError(message) from error
    except OSError as error:
        why = error.strerror or error
        message = f"cannot read {entry.source}: {why}; the same command tries again"
        raise SourceReadError(message) from error
