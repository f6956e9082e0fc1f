"""Walks through folders of images, and counts what it leaves out."""

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
from texgen.storage.filesystem import FileSystem, Item

_log = logging.getLogger(__name__)

_EXTENSION_BYTES = 12
"""What follows a name's last dot is no extension beyond this length."""


@dataclass(slots=True)
class LeftOut:
    """What a walk has passed over.

    Attributes:
        files: Extension to the number of files that are no images by it.
        systems: Folders of operating systems.
    """

    files: Counter[str] = field(default_factory=Counter)
    systems: int = 0

    def add(self, other: LeftOut) -> None:
        """Adds what another walk has passed over."""
        self.files.update(other.files)
        self.systems += other.systems

    def notes(self, split: str) -> Iterator[str]:
        """What was passed over in a split, a sentence each."""
        if self.files:
            what = pluralize(self.files.total(), "file")
            kinds = format_extension_counts(self.files)
            yield f"{what} of {split!r} ignored: no images by their names ({kinds})"
        if self.systems:
            yield f"{pluralize(self.systems, 'folder')} of systems in {split!r} ignored"


class FolderWalk:
    """Lists folders below a root.

    Args:
        files: Holds the root.
        root: SRC.
    """

    def __init__(self, files: FileSystem, root: str) -> None:
        self._files = files
        self._root = root

    def place(self, locator: bytes) -> str:
        """The path of what lies at ``locator`` below the root."""
        return f"{self._root}/{os.fsdecode(locator)}" if locator else self._root

    def scan(self, folder: bytes, problem: OnError, left_out: LeftOut) -> Iterator[Item]:
        """What is in a folder, without the folders of operating systems."""
        place = self.place(folder)
        try:
            for item in self._files.scan(place):
                if item.name in SYSTEM_FOLDERS and item.is_folder():
                    left_out.systems += 1
                else:
                    yield item
        except OSError as error:
            problem(not_listed(place, error))

    def images(self, folder: bytes, problem: OnError, left_out: LeftOut) -> Iterator[Item]:
        """The images directly in a folder."""
        for item in self.scan(folder, problem, left_out):
            if not item.is_folder() and _is_image(item, left_out):
                yield item

    def images_below(
        self, folder: bytes, above: tuple[bytes, ...], problem: OnError, left_out: LeftOut
    ) -> Iterator[tuple[bytes, int]]:
        """Path and size of the images in a folder and in the folders inside it.

        Args:
            folder: Where to begin, relative to the root.
            above: Folders above it, to which no link may lead back.
            problem: Called with what cannot be listed.
            left_out: Counts what is passed over.
        """
        # A list, since folders may be nested more deeply than calls.
        left: list[tuple[bytes, tuple[Hashable, ...]]]
        left = [(folder, tuple(self._identity(path) for path in above))]
        while left:
            folder, identities = left.pop()
            identity = self._identity(folder)
            if identity in identities:
                _log.warning(
                    "%s is a link back to a folder above it and is ignored", displayable(folder)
                )
                continue
            for item in self.scan(folder, problem, left_out):
                path = join_bytes(folder, item.name)
                if item.is_folder():
                    left.append((path, (*identities, identity)))
                elif _is_image(item, left_out) and (size := item.size()) is not None:
                    yield path, size

    def _identity(self, folder: bytes) -> Hashable:
        place = self.place(folder)
        try:
            return self._files.identity(place)
        except OSError as error:
            raise not_listed(place, error) from error


def _is_image(item: Item, left_out: LeftOut) -> bool:
    # A pipe or a device, or a link to one, would block its reader.
    if is_image_name(item.name):
        return item.size() is not None
    _, dot, extension = os.fsdecode(item.name).rpartition(".")
    known = dot and len(extension) <= _EXTENSION_BYTES
    left_out.files[f".{extension.lower()}" if known else "without an extension"] += 1
    return False


def not_listed(place: str, error: OSError) -> SourceError:
    """The error of a folder that cannot be listed."""
    return SourceError(f"cannot list {displayable(os.fsencode(place))}: {error.strerror}")
