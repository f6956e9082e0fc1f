"""Row groups of Parquet files, the last few of which a process keeps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, TypeAlias

from texgen.core.errors import ImageError, SourceChangedError, SourceError
from texgen.source.archive.read_errors import changed, check_size
from texgen.source.base import NO_LABELS
from texgen.source.locator import Locator
from texgen.source.parquet.file import ImageFile, open_image_file
from texgen.storage.filesystem import FileSystem
from texgen.storage.ranges import RangeFile

_MAX_FILES = 16
_MAX_BYTES = 64 << 20


_Key: TypeAlias = tuple[FileSystem, str, int, str | None]
"""A file's storage, path and checksum, and its column of photographs where one is named."""


class RowGroups:
    """Reads photographs by their rows.

    A photograph costs the reading of its row group, unless that is among the last ones
    that were read.

    Args:
        max_bytes: Of photographs to keep; the last row group is kept in any case.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._files: OrderedDict[_Key, tuple[RangeFile, ImageFile]] = OrderedDict()
        self._groups: OrderedDict[tuple[_Key, int], Any] = OrderedDict()
        # Arrow's readers have one position for all.
        self._lock = threading.Lock()

    def read(
        self,
        files: FileSystem,
        root: str,
        place: Locator,
        source: str,
        image_field: str | None = None,
    ) -> bytes | None:
        """A photograph's bytes; None where the row holds none.

        Args:
            files: Holds the file.
            root: Folder of the paths.
            place: Where the photograph is.
            source: Its name, for people.
            image_field: Column of the photographs; None is the usual one.

        Raises:
            ImageError: If its row group is damaged.
            SourceChangedError: If the file is not what it was.
            OSError: If the file cannot be read.
        """
        with self._lock:
            key = (files, f"{root}/{place.path}", place.check, image_field)
            file = self._file(key, place)
            group = file.group_of(place.position)
            images = self._images((key, group), file, source)
            data: bytes | None = images[place.position - file.starts[group]].as_py()
        return data

    def _file(self, key: _Key, place: Locator) -> ImageFile:
        known = self._files.pop(key, None)
        if known is None:
            opened = key[0].open(key[1])
            check_size(opened.size(), place)
            try:
                # Labels are those of the plan.
                file = open_image_file(opened, place.archive, key[3], NO_LABELS)
                known = opened, file
            except SourceError as error:
                raise SourceChangedError(str(error)) from error
            if known[1].check != place.check:
                raise changed(place)
        check_size(known[0].size(), place)
        self._files[key] = known
        if len(self._files) > _MAX_FILES:
            self._files.popitem(last=False)
        return known[1]

    def _images(self, key: tuple[_Key, int], file: ImageFile, source: str) -> Any:  # noqa: ANN401
        images = self._groups.pop(key, None)
        if images is None:
            try:
                images = file.images(key[1])
            except OSError as error:
                if error.errno:
                    raise
                # Arrow's own, for pages that are damaged.
                raise ImageError("image_corrupt", f"{source}: {error}") from error
            except ValueError as error:
                raise ImageError("image_corrupt", f"{source}: {error}") from error
        self._groups[key] = images
        while len(self._groups) > 1 and self._bytes() > self._max_bytes:
            self._groups.popitem(last=False)
        return images

    def _bytes(self) -> int:
        return sum(images.nbytes for images in self._groups.values())


GROUPS = RowGroups()
"""Of this process: a source is opened anew for each shard."""
