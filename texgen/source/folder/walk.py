"""Lists the images in folders, and counts what is ignored."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SYSTEM_FOLDERS, OnError, is_image_name
from texgen.source.paths import displayable, format_extension_counts, join_bytes
from texgen.source.read_errors import listing_error
from texgen.storage import Store
from texgen.storage.entries import Entry

_log = logging.getLogger(__name__)

_MAX_EXTENSION_BYTES = 12
"""A longer text after a name's last dot is not an extension."""


@dataclass(slots=True)
class IgnoredCounts:
    """Counts of what a listing has ignored.

    Attributes:
        files: Extension to the number of files that are not images by their names.
        system_folders: Number of folders of operating systems.
    """

    files: Counter[str] = field(default_factory=Counter)
    system_folders: int = 0

    def add(self, other: IgnoredCounts) -> None:
        """Adds the counts of another listing."""
        self.files.update(other.files)
        self.system_folders += other.system_folders

    def notes(self, split: str) -> Iterator[str]:
        """The counts of a split, a sentence each."""
        if self.files:
            count = pluralize(self.files.total(), "file")
            kinds = format_extension_counts(self.files)
            yield f"{count} of {split!r} ignored: no images by their names ({kinds})"
        if self.system_folders:
            yield f"{pluralize(self.system_folders, 'folder')} of systems in {split!r} ignored"


def scan_folder(
    files: Store, folder: bytes, on_error: OnError, ignored: IgnoredCounts
) -> Iterator[Entry]:
    """The items in a folder of SRC, without the folders of operating systems."""
    path = os.fsdecode(folder)
    try:
        for item in files.scan(path):
            if item.name in SYSTEM_FOLDERS and item.is_folder():
                ignored.system_folders += 1
            else:
                yield item
    except OSError as error:
        on_error(listing_error(files.place(path), error))


def images_below(
    files: Store,
    folder: bytes,
    parents: tuple[bytes, ...],
    on_error: OnError,
    ignored: IgnoredCounts,
) -> Iterator[tuple[bytes, int]]:
    """Path relative to SRC and size in bytes of the images in a folder and below it.

    Args:
        files: SRC.
        folder: Folder to begin with, relative to SRC.
        parents: Folders above it, to which no link may lead back.
        on_error: Called for each folder that cannot be listed, and each image whose size cannot
            be read.
        ignored: Counts what is ignored.
    """
    # A list, since folders may be nested more deeply than Python's calls.
    left: list[tuple[bytes, tuple[Hashable, ...]]]
    left = [(folder, tuple(_identity(files, path) for path in parents))]
    while left:
        folder, identities = left.pop()
        identity = _identity(files, folder)
        if identity in identities:
            _log.warning(
                "%s is a link back to a folder above it and is ignored", displayable(folder)
            )
            continue
        for item in scan_folder(files, folder, on_error, ignored):
            path = join_bytes(folder, item.name)
            if item.is_folder():
                left.append((path, (*identities, identity)))
                continue
            try:
                size = _image_size(item, ignored)
            except OSError as error:
                place = displayable(os.fsencode(files.place(os.fsdecode(path))))
                on_error(SourceError(f"cannot read {place}: {error.strerror}"))
                continue
            if size is not None:
                yield path, size


def _identity(files: Store, folder: bytes) -> Hashable:
    path = os.fsdecode(folder)
    try:
        return files.identity(path)
    except OSError as error:
        raise listing_error(files.place(path), error) from error


def _image_size(item: Entry, ignored: IgnoredCounts) -> int | None:
    """Bytes of an image, -1 for a dangling link; None for anything else, which is counted."""
    if is_image_name(item.name):
        # The size of a pipe, a device, or a link to one is None: it would block its reader.
        return item.size()
    _, dot, extension = os.fsdecode(item.name).rpartition(".")
    has_extension = dot and len(extension) <= _MAX_EXTENSION_BYTES
    ignored.files[f".{extension.lower()}" if has_extension else "without an extension"] += 1
    return None
