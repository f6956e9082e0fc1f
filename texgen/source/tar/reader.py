"""What the sources of tars have in common: reading images by their offsets."""

from __future__ import annotations

import zlib

from texgen.core.errors import ImageError
from texgen.core.types import ImageEntry
from texgen.source.archive.read_errors import changed, check_size, reading
from texgen.source.archive.source import ArchiveSource
from texgen.source.base import MAX_FILE_BYTES, OnError, SourceSpec, displayable, raise_error
from texgen.source.locator import Locator
from texgen.source.tar.index import INSIDE
from texgen.source.tar.scan import BLOCK
from texgen.storage.filesystem import OpenFiles


class TarSource(ArchiveSource):
    """A source of images in tars; threads may read from it side by side.

    Args:
        spec: See `texgen.source.SourceSpec`.
        problem: See `ArchiveSource`.
    """

    suffix = ".tar"

    def __init__(self, spec: SourceSpec, problem: OnError = raise_error) -> None:
        super().__init__(spec, problem)
        self._open_files = OpenFiles(self._files, self._root)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        if entry.size > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{entry.size} bytes")
        locator = Locator.decode(entry.locator)
        with reading(entry, locator):
            file = self._open_files.get(locator.path)
            # The member's header lies before its data and differs in another archive of the same
            # size. Data are read before the size: an object's size comes with its first read.
            block_and_data = file.read_at(locator.position - BLOCK, BLOCK + entry.size)
            check_size(file.size(), locator)
        header, data = block_and_data[:BLOCK], block_and_data[BLOCK:]
        if len(data) < entry.size or zlib.crc32(header) != locator.check:
            raise changed(locator)
        return data

    def _member(self, name: bytes, position: int) -> str:
        return displayable(name.replace(INSIDE, b"!"))
