"""Errors of listing and reading the files of a source, which may have changed in between."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from texgen.core.errors import ImageError, SourceChangedError, SourceError, SourceReadError
from texgen.source.paths import displayable
from texgen.storage.errors import ChangedFileError

_MAX_IMAGE_BYTES = 1 << 30
"""A larger image is a failed row: read at once, it could take all memory of a task."""

MISSING_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_PUT_BACK = "put it back, or build into a new OUT"


def listing_error(folder: str, error: OSError) -> SourceError:
    """The error for a folder that cannot be listed."""
    return SourceError(f"cannot list {displayable(os.fsencode(folder))}: {error.strerror}")


def check_image_size(size: int) -> None:
    """Checks that an image is small enough to be read at once.

    Raises:
        ImageError: If it is larger than 1 GiB.
    """
    if size > _MAX_IMAGE_BYTES:
        raise ImageError("image_file_too_large", f"{size} bytes")


def changed_error(file: str) -> SourceChangedError:
    """The error for a file that has the same size and other content."""
    return SourceChangedError(f"{file} was written again since the build was planned; {_PUT_BACK}")


def check_unchanged_size(file: str, planned: int, size: int) -> None:
    """Checks that a file has as many bytes as when it was listed.

    Raises:
        SourceChangedError: If the sizes differ.
    """
    if size != planned:
        raise SourceChangedError(
            f"{file} had {planned} bytes when the build was planned and now has {size}; {_PUT_BACK}"
        )


@contextlib.contextmanager
def translate_read_errors(image: str, file: str) -> Iterator[None]:
    """Turns an OSError while an image is read into a SourceChangedError or SourceReadError.

    ``image`` and ``file``, which holds it, are names for the message.
    """
    try:
        yield
    except ChangedFileError as error:
        raise changed_error(file) from error
    except MISSING_ERRORS as error:
        raise SourceChangedError(
            f"{file} is gone since the build was planned; put it back"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise SourceReadError(
            f"cannot read {image}: {reason}; run the same command again"
        ) from error
