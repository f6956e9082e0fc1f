"""What the sources of tars have in common: images are read by their offsets."""

from __future__ import annotations

import functools
import os
import zlib
from collections.abc import Iterable

from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source.archive.source import ArchiveSource
from texgen.source.base import OnError, SourceSpec, map_reporting, raise_error
from texgen.source.locator import Archive, Locator
from texgen.source.paths import displayable
from texgen.source.read_errors import (
    changed_error,
    check_image_size,
    check_unchanged_size,
    translate_read_errors,
)
from texgen.source.tar.index import INSIDE
from texgen.source.tar.scan import TAR_BLOCK

_MAX_FILES = 16
"""Tars that stay open."""


class TarSource(ArchiveSource):
    """A source of images in tars; threads may share it."""

    suffix = ".tar"

    def __init__(self, spec: SourceSpec, on_error: OnError = raise_error) -> None:
        super().__init__(spec, on_error)
        self._open = functools.lru_cache(_MAX_FILES)(self._files.open)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        check_image_size(entry.size)
        locator = Locator.decode(entry.locator)
        archive = locator.archive
        with translate_read_errors(entry.source, archive.text):
            file = self._open(archive.path)
            # The member's header lies before its data, and differs in another archive of the same
            # size. The read comes before the size: in a bucket it brings the size along.
            found = file.read_at(locator.position - TAR_BLOCK, TAR_BLOCK + entry.size)
            check_unchanged_size(archive.text, archive.size, file.size())
        is_complete = len(found) == TAR_BLOCK + entry.size
        if not is_complete or zlib.crc32(found[:TAR_BLOCK]) != locator.check:
            raise changed_error(archive.text)
        return found[TAR_BLOCK:]

    def _open_archives(self, paths: Iterable[str]) -> list[Archive]:
        """The tars with their sizes, without those that cannot be opened."""

        def look(path: str, on_error: OnError) -> Archive | None:
            try:
                return Archive(path, self._files.open(path).size())
            except OSError as error:
                name = displayable(os.fsencode(path))
                on_error(SourceError(f"cannot read {name}: {error.strerror or error}"))
                return None

        found = map_reporting(look, paths, self._files.parallel, self._on_error)
        return [archive for archive in found if archive]

    def _member_text(self, name: bytes, position: int) -> str:
        return displayable(name.replace(INSIDE, b"!"))
