"""Looks into folders of SRC by their names alone, each folder once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from texgen.core.concurrency import ordered_map
from texgen.core.errors import SourceError
from texgen.source.base import SYSTEM_FOLDERS, as_split_name, is_image_name
from texgen.source.paths import join_path, quote_paths
from texgen.storage.filesystem import FileSystem

_NAMES = 100
"""Names after which an image settles what a folder is: a class may have any number of them."""

_FOLDERS = 2048
"""Folders that are looked into in one search: it must end in a tree of any size."""

_LEVELS = 4
"""Folders below one in which its images are looked for."""

_FILE_LIKE = re.compile(rb"\.[a-z]{1,5}\Z")
"""In git-annex's clones files of any kind are links to nothing until they are fetched."""


@dataclass(frozen=True, slots=True)
class FolderContents:
    """What a folder holds.

    Attributes:
        images: Files in it that are called like images; of a look that was cut short, the first.
        folders: Names of its folders in byte order, without those of systems.
        systems: Names of the systems' folders.
        files: Names of its other files.
        lost: Names of links to nothing that are called like folders.
        failed: Whether it cannot be listed.
    """

    images: int = 0
    folders: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    failed: bool = False

    def splits(self) -> dict[str, list[str]]:
        """Name of a split to the folders that are called so: two may differ in case."""
        found: dict[str, list[str]] = {}
        for folder in self.folders:
            if (name := as_split_name(folder)) is not None:
                found.setdefault(name, []).append(folder)
        return found


class FolderCache:
    """What the folders below a root hold; every folder is listed once.

    Args:
        files: Holds the root.
        root: A folder.
    """

    def __init__(self, files: FileSystem, root: str) -> None:
        self._files = files
        self._root = root
        self._seen: dict[str, FolderContents] = {}
        self._whole: set[str] = set()

    def look(self, path: str, *, whole: bool = False) -> FolderContents:
        """What a folder holds; after its first 100 names, an image ends the look.

        Args:
            path: Relative to the root, "" for the root itself.
            whole: Whether to list all of it.

        Raises:
            OSError: If all of it is wanted and it cannot be listed.
        """
        if path not in self._seen or (whole and path not in self._whole):
            try:
                self._seen[path] = self._list(path, whole=whole)
            except OSError:
                if whole:
                    raise
                # What is wrong is said where its images are listed.
                self._seen[path] = FolderContents(failed=True)
        return self._seen[path]

    def many(
        self, paths: Iterable[str], *, whole: bool = False
    ) -> Iterator[tuple[str, FolderContents]]:
        """Folders and what they hold, several at once where storage is slow to answer."""
        return ordered_map(
            lambda path: (path, self.look(path, whole=whole)), paths, self._files.parallel
        )

    def below(
        self,
        path: str,
        levels: int = _LEVELS,
        enters: Callable[[str, FolderContents], bool] = lambda _, look: not look.images,
        *,
        whole: bool = False,
    ) -> Iterator[tuple[str, FolderContents]]:
        """A folder and those some levels below it.

        Args:
            path: Relative to the root.
            levels: Levels below it.
            enters: Whether to go into a folder, asked once that was given out; by default not
                into one with images.
            whole: See `look`.
        """
        level, left = [path], _FOLDERS
        for _ in range(levels + 1):
            deeper = list[str]()
            for at, look in self.many(level[:left], whole=whole):
                yield at, look
                deeper += [join_path(at, name) for name in look.folders] if enters(at, look) else []
            left -= len(level)
            level = deeper if left > 0 else []

    def holds_images(self, path: str, levels: int = _LEVELS) -> bool:
        """Whether images lie in a folder or some levels below it.

        A folder that cannot be listed is taken to hold some: its listing says what is wrong.
        """
        return any(
            look.images or (look.failed and at == path) for at, look in self.below(path, levels)
        )

    def holders(self, folder: str) -> list[str]:
        """Names of the folders in a folder that hold images."""
        return [n for n in self.look(folder).folders if self.holds_images(join_path(folder, n))]

    def text(self, path: str) -> str | None:
        """What a small text file holds, without the line's end; None where there is none."""
        try:
            return self._files.open(join_path(self._root, path)).read_at(0, 256).decode().strip()
        except (OSError, UnicodeDecodeError):
            return None

    def _list(self, path: str, *, whole: bool) -> FolderContents:
        images = 0
        folders, systems, files, lost = list[bytes](), list[bytes](), set[bytes](), list[bytes]()
        for number, item in enumerate(self._files.scan(join_path(self._root, path))):
            if is_image_name(item.name):
                # A folder may be called so too, but nothing is settled by the first 100 names then.
                images += not item.is_folder()
                if images and number >= _NAMES and not whole:
                    break
            if item.is_folder():
                (systems if item.name in SYSTEM_FOLDERS else folders).append(item.name)
            elif not is_image_name(item.name):
                files.add(item.name)
                if not item.is_file() and item.size() == -1 and not _FILE_LIKE.search(item.name):
                    lost.append(item.name)
        else:
            self._whole.add(path)
        return FolderContents(
            images,
            tuple(os.fsdecode(name) for name in sorted(folders)),
            tuple(os.fsdecode(name) for name in sorted(systems)),
            frozenset(os.fsdecode(name) for name in files),
            tuple(os.fsdecode(name) for name in sorted(lost)),
        )


def refuse_lost(location: str, place: str, names: Iterable[str], what: str) -> None:
    """Refuses links to nothing that may be folders of images on storage that is not there.

    Raises:
        SourceError: If there are any.
    """
    if paths := [join_path(place, name) for name in names]:
        links = "is a link" if len(paths) == 1 else "are links"
        message = (
            f"--src {location}: {quote_paths(paths)} {links} to nothing, where there may be {what}; "
            "put back what it names, or remove the link"
        )
        raise SourceError(message)
