"""Row groups of Parquet files; a process keeps the last ones that it read."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from typing import Any, TypeAlias

from texgen.core.errors import ImageError, SourceChangedError, SourceError
from texgen.source.base import NO_LABELS
from texgen.source.locator import Archive, Locator
from texgen.source.parquet.file import ParquetImageFile, open_parquet
from texgen.source.read_errors import changed_error, check_unchanged_size
from texgen.storage import Store
from texgen.storage.ranges import RangeFile

_MAX_FILES = 16
_MAX_BYTES = 64 << 20

_FileKey: TypeAlias = tuple[Store, Archive, int, str | None]
"""A file's storage, the file and its checksum, and ``--image-field``."""


class RowGroups:
    """Reads images by their rows.

    Reading an image reads its row group, unless that is among the last ones that were read.

    Args:
        max_bytes: Bytes of images to keep; the last row group is kept in any case.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._open = functools.lru_cache(_MAX_FILES)(_open_listed)
        self._groups: OrderedDict[tuple[_FileKey, int], Any] = OrderedDict()
        # All threads share the position of one of Arrow's readers.
        self._lock = threading.Lock()

    def read(
        self, files: Store, locator: Locator, source: str, image_field: str | None = None
    ) -> bytes | None:
        """An image's bytes; None where the row holds none.

        Args:
            files: Folder that the locator's path is relative to.
            locator: File and row of the image.
            source: Name of the image in messages.
            image_field: Column of the images; None is the usual one.

        Raises:
            ImageError: If the image's row group is damaged.
            SourceChangedError: If the file has changed since it was listed.
            OSError: If the file cannot be read.
        """
        with self._lock:
            archive = locator.archive
            key = (files, archive, locator.check, image_field)
            file, parquet = self._open(*key)
            try:
                check_unchanged_size(archive.text, archive.size, file.size())
            except SourceChangedError:
                # The file that was listed may be put back, and be another one on the disk.
                self._open.cache_clear()
                raise
            group = parquet.group_of(locator.position)
            images = self._images((key, group), parquet, source)
            data: bytes | None = images[locator.position - parquet.starts[group]].as_py()
        return data

    def _images(self, key: tuple[_FileKey, int], file: ParquetImageFile, source: str) -> Any:  # noqa: ANN401
        images = self._groups.pop(key, None)
        if images is None:
            try:
                images = file.images(key[1])
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None):
                    raise
                # Arrow's errors, which have no errno: pages are damaged.
                raise ImageError("image_corrupt", f"{source}: {error}") from error
        self._groups[key] = images
        while len(self._groups) > 1 and self._bytes() > self._max_bytes:
            self._groups.popitem(last=False)
        return images

    def _bytes(self) -> int:
        return sum(images.nbytes for images in self._groups.values())


def _open_listed(
    files: Store, archive: Archive, check: int, image_field: str | None
) -> tuple[RangeFile, ParquetImageFile]:
    """Opens a file, if it is the one that was listed."""
    file = files.open(archive.path)
    check_unchanged_size(archive.text, archive.size, file.size())
    try:
        # Labels are not read here: the plan holds them.
        parquet = open_parquet(file, archive, image_field, NO_LABELS)
    except SourceError as error:
        raise SourceChangedError(str(error)) from error
    if parquet.check != check:
        raise changed_error(archive.text)
    return file, parquet


GROUPS = RowGroups()
"""The row groups that this process keeps, although each shard opens its source again."""
