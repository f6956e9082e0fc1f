"""Contents of the folders in SRC, told by their names alone; each folder is listed once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from texgen.core.concurrency import ordered_map
from texgen.core.errors import SourceError
from texgen.source.base import SYSTEM_FOLDERS, as_split_name, is_image_name
from texgen.source.paths import join_path, quote_paths
from texgen.storage import Store

_ENOUGH_NAMES = 100
"""After so many names an image ends the listing of a folder: a class may have millions."""

_MAX_FOLDERS = 2048
"""Folders that one search lists at most, so that it ends in a tree of any size."""

_LEVELS = 4
"""Levels below a folder in which its images are searched for."""

_EXTENSION = re.compile(rb"\.[a-z]{1,5}\Z")
"""The end of a file's name: in a clone of git-annex all files are dangling links until fetched."""


@dataclass(frozen=True, slots=True)
class FolderContents:
    """Names in a folder.

    Attributes:
        images: Number of files with the name of an image; a lower bound if the folder was not
            listed completely.
        folders: Names of its folders in byte order, without those of operating systems.
        system_folders: Names of the folders of operating systems.
        files: Names of its other files.
        dangling_links: Names of dangling links that may have been folders.
        failed: Whether the folder cannot be listed.
        complete: Whether it was listed to its end.
    """

    images: int = 0
    folders: tuple[str, ...] = ()
    system_folders: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    dangling_links: tuple[str, ...] = ()
    failed: bool = False
    complete: bool = False

    def split_folders(self) -> dict[str, list[str]]:
        """Name of a split to the folders with this name; two folders may differ in case."""
        splits: dict[str, list[str]] = {}
        for folder in self.folders:
            if (name := as_split_name(folder)) is not None:
                splits.setdefault(name, []).append(folder)
        return splits


class FolderCache:
    """Contents of the folders in SRC; each folder is listed once."""

    def __init__(self, files: Store) -> None:
        self._files = files
        self.location = files.place()
        self._listed: dict[str, FolderContents] = {}

    def contents(self, path: str, *, complete: bool = False) -> FolderContents:
        """Contents of a folder; an image after the first 100 names ends its listing.

        Args:
            path: Path relative to SRC, "" for SRC itself.
            complete: Whether to list the folder to its end.

        Raises:
            OSError: If ``complete`` is set and the folder cannot be listed.
        """
        listed = self._listed.get(path)
        if listed is None or (complete and not listed.complete):
            try:
                self._listed[path] = self._list(path, complete=complete)
            except OSError:
                if complete:
                    raise
                # The error is raised where the images of the folder are listed.
                self._listed[path] = FolderContents(failed=True)
        return self._listed[path]

    def contents_of(
        self, paths: Iterable[str], *, complete: bool = False
    ) -> Iterator[tuple[str, FolderContents]]:
        """Folders with their contents; slow storage is asked for several at once."""
        return ordered_map(
            lambda path: (path, self.contents(path, complete=complete)), paths, self._files.parallel
        )

    def walk(
        self,
        path: str,
        levels: int = _LEVELS,
        enters: Callable[[str, FolderContents], bool] = lambda _, contents: not contents.images,
        *,
        complete: bool = False,
    ) -> Iterator[tuple[str, FolderContents]]:
        """A folder and the folders below it, level by level, with their contents.

        Args:
            path: Path relative to SRC.
            levels: Number of levels below the folder.
            enters: Tells whether to enter a folder after it was yielded; by default folders
                with images are not entered.
            complete: See `contents`.
        """
        level, left = [path], _MAX_FOLDERS
        for _ in range(levels + 1):
            below = list[str]()
            for folder, contents in self.contents_of(level[:left], complete=complete):
                yield folder, contents
                if enters(folder, contents):
                    below += [join_path(folder, name) for name in contents.folders]
            left -= len(level)
            level = below if left > 0 else []

    def holds_images(self, path: str, levels: int = _LEVELS) -> bool:
        """Whether images lie in a folder or up to ``levels`` levels below it.

        A folder that cannot be listed counts as one with images: listing them raises the error.
        """
        return any(
            contents.images or (contents.failed and folder == path)
            for folder, contents in self.walk(path, levels)
        )

    def folders_with_images(self, path: str) -> list[str]:
        """Names of the folders in a folder that hold images, themselves or below."""
        names = self.contents(path).folders
        return [name for name in names if self.holds_images(join_path(path, name))]

    def read_line(self, path: str) -> str | None:
        """The stripped text of a small file; None if there is no such file."""
        try:
            file = self._files.open(path)
            return file.read_at(0, 256).decode().strip()
        except (OSError, UnicodeDecodeError):
            return None

    def _list(self, path: str, *, complete: bool) -> FolderContents:
        images = 0
        folders, systems, files, links = list[bytes](), list[bytes](), set[bytes](), list[bytes]()
        for number, item in enumerate(self._files.scan(path)):
            if is_image_name(item.name):
                # A folder may have such a name too; it does not end the listing.
                images += not item.is_folder()
                if images and number >= _ENOUGH_NAMES and not complete:
                    break
            if item.is_folder():
                (systems if item.name in SYSTEM_FOLDERS else folders).append(item.name)
            elif not is_image_name(item.name):
                files.add(item.name)
                if not item.is_file() and item.size() == -1 and not _EXTENSION.search(item.name):
                    links.append(item.name)
        else:
            complete = True
        names = frozenset(map(os.fsdecode, files))
        return FolderContents(
            images, _names(folders), _names(systems), names, _names(links), complete=complete
        )


def _names(names: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(os.fsdecode(name) for name in sorted(names))


def refuse_dangling_links(location: str, folder: str, names: Iterable[str], kind: str) -> None:
    """Refuses dangling links in a folder: their targets may lie on storage that is not mounted.

    Raises:
        SourceError: If there are any; says that they may be ``kind``, a split or a class.
    """
    if paths := [join_path(folder, name) for name in names]:
        links = "is a dangling link" if len(paths) == 1 else "are dangling links"
        raise SourceError(
            f"--src {location}: {quote_paths(paths)} {links} and may be {kind}; restore the target "
            "or remove the link"
        )
