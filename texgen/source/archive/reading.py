"""Reading photographs out of archives that may have changed."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

from texgen.core.errors import ImageError, SourceChangedError, SourceReadError
from texgen.core.types import ImageEntry
from texgen.source.base import MAX_FILE_BYTES
from texgen.source.locator import Locator
from texgen.source.tar.scan import BLOCK
from texgen.storage.filesystem import FileSystem, OpenFiles
from texgen.storage.ranges import ChangedFileError


class TarReader:
    """Reads members of tars; threads may share it.

    Args:
        files: Holds the archives.
        root: Folder that the archives' paths are relative to.
    """

    def __init__(self, files: FileSystem, root: str) -> None:
        self._files = OpenFiles(files, root)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        if entry.size > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{entry.size} bytes")
        place = Locator.decode(entry.locator)
        with reading(entry, place):
            file = self._files.get(place.path)
            # The header lies before the data, and tells another archive of the same size. Read
            # first: of an object in a bucket the size then comes with it.
            found = file.read_at(place.position - BLOCK, BLOCK + entry.size)
            check_size(file.size(), place)
        if len(found) < BLOCK + entry.size or zlib.crc32(found[:BLOCK]) != place.check:
            raise changed(place)
        return found[BLOCK:]


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
