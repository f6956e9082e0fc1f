"""Photographs in class folders, as torchvision's ImageFolder takes them."""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping

from texgen.ahead import map_ahead
from texgen.errors import ImageError, SourceChangedError, SourceError, SourceReadError
from texgen.keys import escape, image_key
from texgen.source.base import (
    MAX_FILE_BYTES,
    SPLIT_NAMES,
    Problem,
    SourceSpec,
    SplitListing,
    check_selected,
    in_label_order,
    is_image_name,
    shown,
    sole_split,
    throw,
)
from texgen.source.filesystem import Item, files_at
from texgen.source.labels import Labels, read_labels
from texgen.types import ImageEntry

_log = logging.getLogger(__name__)

_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


class FolderSource:
    """A folder of splits, or one split.

    Args:
        spec: Of the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.

    Raises:
        SourceError: If its location is not a folder.
    """

    def __init__(self, spec: SourceSpec, problem: Problem = throw) -> None:
        self._spec = spec
        self._problem = problem
        self._files = files_at(spec.location, spec.endpoint)
        self._folders: dict[str, bytes] = {}
        try:
            kind = self._files.kind(spec.location)
        except OSError as error:
            message = f"--src {spec.location}: {error.strerror}"
            raise SourceError(message) from error
        if kind != "folder":
            faults = {"file": "--src-format folder takes a folder, and this is a file"}
            message = f"--src {spec.location}: {faults.get(kind or '', 'no such folder')}"
            raise SourceError(message)

    @property
    def parallel(self) -> int:
        """See `texgen.source.Source`."""
        return self._files.parallel

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        scan = self._scan(b"", self._problem)
        folders = {os.fsdecode(item.name) for item in scan if item.is_folder()}
        present = [name for name in sorted(SPLIT_NAMES) if name in folders]
        selected = self._spec.selected
        if not present:
            own = os.path.normpath(self._spec.location).rpartition("/")[2]
            name = sole_split(own, selected)
            self._folders[name] = b""
            return (self._listing(name, b"", ()),)
        check_selected(selected, present)
        self._folders = {name: os.fsencode(name) for name in present}
        others = sorted(folders - set(present))
        notes = tuple(f"folder {name!r} is not a split and is ignored" for name in others)
        return tuple(
            self._listing(name, self._folders[name], notes)
            for name in present
            if not selected or name in selected
        )

    @functools.cached_property
    def _labels(self) -> Labels | None:
        """Read when photographs are listed: who only reads them needs no labels."""
        path = self._spec.labels
        return None if path is None else read_labels(path, self._spec.endpoint)

    def _listing(self, name: str, folder: bytes, notes: tuple[str, ...]) -> SplitListing:
        folders: list[bytes] = []
        named: set[str] = set()
        images = 0
        # One by one: a flat split may have any number.
        for item in self._scan(folder, self._problem):
            if item.is_folder():
                folders.append(item.name)
            elif _image_size(item) is not None:
                images += 1
                class_name = self._labels.of(shown(item.name)) if self._labels else None
                if class_name is not None:
                    named.add(class_name)
        if folders:
            classes = self._wanted(folders)
            if images:
                beside = f"{images} images beside the class folders of {name!r} are ignored"
                notes = (*notes, beside)
            if self._labels is not None:
                notes = (*notes, f"--labels is not used for {name!r}, which has class folders")
        else:
            classes = self._wanted(one.encode() for one in named)
            if self._labels is None and self._spec.classes is not None:
                message = f"--classes: the split {name!r} has no class folders; add --labels"
                raise SourceError(message)
        missing = len((self._spec.taken or frozenset()).difference(classes))
        if missing:
            notes = (*notes, f"{missing} of the --classes are not in {name!r}")
        return SplitListing(name, classes, notes)

    def _wanted(self, names: Iterable[bytes]) -> tuple[str, ...]:
        """Those of ``--classes``, in label order."""
        taken = self._spec.taken
        return tuple(one for one in in_label_order(names) if taken is None or one in taken)

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        place = self._folders[split.name]
        scan = self._scan(place, self._problem)
        names = [item.name for item in scan if item.is_folder()]
        labels = {name: label for label, name in enumerate(split.classes)}
        if not names:
            yield from self._in_order(self._flat_entries(place, labels))
            return
        # The separator takes part in the order: keys of "a-b/" come before those of "a/".
        taken = sorted(names, key=lambda name: escape(name) + "/")

        def listed(name: bytes) -> tuple[list[ImageEntry], list[SourceError]]:
            problems: list[SourceError] = []
            found = self._class_entries(place, name, labels[shown(name)], problems.append)
            return list(found), problems

        # Problems are told in the order of classes, whichever was listed first.
        in_taken = (name for name in taken if shown(name) in labels)
        for found, problems in map_ahead(listed, in_taken, self._files.parallel):
            for problem in problems:
                self._problem(problem)
            yield from self._in_order(found)

    def _flat_entries(self, place: bytes, labels: Mapping[str, int]) -> Iterator[ImageEntry]:
        for item in self._scan(place, self._problem):
            size = None if item.is_folder() else _image_size(item)
            if size is None:
                continue
            path, name = _join(place, item.name), item.name
            if self._labels is None:
                yield ImageEntry(image_key(name), shown(path), path, size, None, None)
                continue
            class_name = self._labels.of(shown(name))
            if class_name is None:
                what = f"{shown(path)} is not in --labels; add it, or move it out of the split"
                self._problem(SourceError(what))
            elif class_name in labels:
                key = image_key(class_name.encode() + b"/" + name)
                yield ImageEntry(key, shown(path), path, size, labels[class_name], class_name)

    def _class_entries(
        self, place: bytes, folder: bytes, label: int, problem: Problem
    ) -> Iterator[ImageEntry]:
        prefix = place + b"/" if place else b""
        for path, size in self._images_below(place, folder, problem):
            key = image_key(path[len(prefix) :])
            yield ImageEntry(key, shown(path), path, size, label, shown(folder))

    def _in_order(self, entries: Iterable[ImageEntry]) -> Iterator[ImageEntry]:
        found = list(entries)
        found.sort(key=lambda entry: (entry.key, entry.locator))
        last: ImageEntry | None = None
        for entry in found:
            if last is not None and last.key == entry.key:
                message = f"{last.source} and {entry.source} give one key ({entry.key}); rename one"
                self._problem(SourceError(message))
            else:
                yield entry
                last = entry

    def _images_below(
        self, place: bytes, folder: bytes, problem: Problem
    ) -> Iterator[tuple[bytes, int]]:
        """Path and size of the images in a class folder and in the folders inside it."""
        # A list, since folders may be nested more deeply than calls.
        above: tuple[Hashable, ...] = (self._identity(b""), self._identity(place))
        left = [(_join(place, folder), above)]
        while left:
            folder, above = left.pop()
            identity = self._identity(folder)
            if identity in above:
                _log.warning("%s is a link back to a folder above it and is ignored", shown(folder))
                continue
            for item in self._scan(folder, problem):
                path = _join(folder, item.name)
                if item.is_folder():
                    left.append((path, (*above, identity)))
                elif (size := _image_size(item)) is not None:
                    yield path, size

    def _identity(self, folder: bytes) -> Hashable:
        place = self._place(folder)
        try:
            return self._files.identity(place)
        except OSError as error:
            raise _not_listed(place, error) from error

    def _scan(self, folder: bytes, problem: Problem) -> Iterator[Item]:
        place = self._place(folder)
        try:
            yield from self._files.scan(place)
        except OSError as error:
            problem(_not_listed(place, error))

    def _place(self, locator: bytes) -> str:
        root = self._spec.location
        return f"{root}/{os.fsdecode(locator)}" if locator else root

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        locator = locator_of(source)
        # A manifest may be anybody's: it must not name files outside SRC.
        if locator.startswith(b"/") or b".." in locator.split(b"/") or b"\0" in locator:
            message = f"{source!r} lies outside of --src; it is no photograph of a build"
            raise SourceError(message)
        try:
            size = self._files.open(self._place(locator)).size()
        except OSError as error:
            message = f"--src has no {source} ({error.strerror}); name the SRC of the build"
            raise SourceError(message) from error
        return ImageEntry(key, source, locator, size, None, None)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        if entry.size > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{entry.size} bytes")
        try:
            data, size = self._files.read(self._place(entry.locator), entry.size)
        except PermissionError as error:
            raise ImageError("image_denied", entry.source) from error
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if entry.size < 0:
                raise ImageError("image_missing", entry.source) from error
            message = f"{entry.source} is gone since the build was planned; put it back"
            raise SourceChangedError(message) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ImageError("image_missing", entry.source) from error
            message = f"cannot read {entry.source}: {error.strerror}; the same command tries again"
            raise SourceReadError(message) from error
        if size != entry.size:
            message = (
                f"{entry.source} had {entry.size} bytes when the build was planned and now has "
                f"{size}; put it back, or build into a new OUT"
            )
            raise SourceChangedError(message)
        return data


def _not_listed(place: str, error: OSError) -> SourceError:
    return SourceError(f"cannot list {shown(os.fsencode(place))}: {error.strerror}")


def _image_size(item: Item) -> int | None:
    """Bytes of an image, -1 for a link to nothing, which becomes a failed row; else None."""
    # A pipe or a device, or a link to one, would block its reader.
    return item.size() if is_image_name(item.name) else None


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder and name else folder or name


def locator_of(source: str) -> bytes:
    r"""The path that a manifest's ``source`` stands for: ``\xNN`` is a byte again."""
    return _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), source.encode())
