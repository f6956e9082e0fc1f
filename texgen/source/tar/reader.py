"""What the sources of tars have in common: images are read by their offsets."""

from __future__ import annotations

import zlib

from texgen.core.types import ImageEntry
from texgen.source.archive.source import ArchiveSource
from texgen.source.base import OnError, SourceSpec, raise_error
from texgen.source.locator import Locator
from texgen.source.paths import displayable
from texgen.source.read_errors import (
    changed_error,
    check_image_size,
    check_unchanged_size,
    translate_read_errors,
)
from texgen.source.tar.index import INSIDE
from texgen.source.tar.scan import TAR_BLOCK
from texgen.storage.ranges import OpenFiles


class TarSource(ArchiveSource):
    """A source of images in tars; threads may share it.

    Args:
        spec: See `Source`.
        on_error: See `Source`.
    """

    suffix = ".tar"

    def __init__(self, spec: SourceSpec, on_error: OnError = raise_error) -> None:
        super().__init__(spec, on_error)
        self._open_files = OpenFiles(self._files.open)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        check_image_size(entry.size)
        locator = Locator.decode(entry.locator)
        with translate_read_errors(entry.source, locator.archive):
            file = self._open_files.get(locator.path)
            # The member's header lies before its data, and differs in another archive of the same
            # size. The read comes before the size: in a bucket it brings the size along.
            found = file.read_at(locator.position - TAR_BLOCK, TAR_BLOCK + entry.size)
            check_unchanged_size(locator.archive, locator.archive_bytes, file.size())
        is_complete = len(found) == TAR_BLOCK + entry.size
        if not is_complete or zlib.crc32(found[:TAR_BLOCK]) != locator.check:
            raise changed_error(locator.archive)
        return found[TAR_BLOCK:]

    def _member_text(self, name: bytes, position: int) -> str:
        return displayable(name.replace(INSIDE, b"!"))
