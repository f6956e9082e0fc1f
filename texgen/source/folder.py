"""Photographs in class folders, as torchvision's ImageFolder takes them."""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from texgen.errors import ImageError, SourceChangedError, SourceError, SourceReadError
from texgen.keys import escape, image_key
from texgen.source.base import (
    MAX_FILE_BYTES,
    SPLIT_NAMES,
    Problem,
    SplitListing,
    check_selected,
    in_label_order,
    is_image_name,
    shown,
    sole_split,
    throw,
)
from texgen.source.labels import Labels, read_labels
from texgen.types import ImageEntry

_log = logging.getLogger(__name__)

_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


class FolderSource:
    """A folder of splits, or one split.

    Args:
        root: SRC.
        selected: Names of the splits to take; empty takes those that are there.
        classes: Those to take, None for all.
        labels: Path of the classes of a flat split, see `read_labels`.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.

    Raises:
        SourceError: If ``root`` is not a folder.
    """

    def __init__(
        self,
        root: Path,
        selected: tuple[str, ...] = (),
        *,
        classes: tuple[str, ...] | None = None,
        labels: str | None = None,
        problem: Problem = throw,
    ) -> None:
        try:
            is_folder = stat.S_ISDIR(root.stat().st_mode)
        except OSError as error:
            message = f"--src {root}: no such folder ({error.strerror})"
            raise SourceError(message) from error
        if not is_folder:
            message = f"--src {root}: --src-format folder takes a folder, and this is a file"
            raise SourceError(message)
        self._problem = problem
        self._classes = None if classes is None else frozenset(classes)
        self._labels_path = labels
        self._root = os.fsencode(root)
        self._selected = selected
        self._folders: dict[str, bytes] = {}

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        folders = {os.fsdecode(e.name) for e in self._scan(b"") if _is_folder(e)}
        present = [name for name in sorted(SPLIT_NAMES) if name in folders]
        if not present:
            own = os.fsdecode(os.path.basename(os.path.abspath(self._root)))  # noqa: PTH100, PTH119 - bytes
            name = sole_split(own, self._selected)
            self._folders[name] = b""
            return (self._listing(name, b"", ()),)
        check_selected(self._selected, present)
        self._folders = {name: os.fsencode(name) for name in present}
        others = sorted(folders - set(present))
        notes = tuple(f"folder {name!r} is not a split and is ignored" for name in others)
        return tuple(
            self._listing(name, self._folders[name], notes)
            for name in present
            if not self._selected or name in self._selected
        )

    @functools.cached_property
    def _labels(self) -> Labels | None:
        """Read when photographs are listed: who only reads them needs no labels."""
        return None if self._labels_path is None else read_labels(self._labels_path)

    def _listing(self, name: str, folder: bytes, notes: tuple[str, ...]) -> SplitListing:
        entries = list(self._scan(folder))
        folders = [entry.name for entry in entries if _is_folder(entry)]
        images = [shown(entry.name) for entry in entries if _is_image(entry)]
        if folders:
            classes = self._wanted(folders)
            if images:
                beside = f"{len(images)} images beside the class folders of {name!r} are ignored"
                notes = (*notes, beside)
            if self._labels is not None:
                notes = (*notes, f"--labels is not used for {name!r}, which has class folders")
        else:
            classes = self._flat_classes(name, images)
        missing = len((self._classes or frozenset()).difference(classes))
        if missing:
            notes = (*notes, f"{missing} of the --classes are not in {name!r}")
        return SplitListing(name, classes, notes)

    def _flat_classes(self, name: str, images: list[str]) -> tuple[str, ...]:
        if self._labels is None:
            if self._classes is not None:
                message = f"--classes: the split {name!r} has no class folders; add --labels"
                raise SourceError(message)
            return ()
        found = {self._labels.of(image) for image in images}
        return self._wanted(one.encode() for one in found if one is not None)

    def _wanted(self, names: Iterable[bytes]) -> tuple[str, ...]:
        """Those of ``--classes``, in label order."""
        classes = in_label_order(names)
        return tuple(one for one in classes if self._classes is None or one in self._classes)

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        place = self._folders[split.name]
        names = [e.name for e in self._scan(place) if _is_folder(e)]
        labels = {name: label for label, name in enumerate(split.classes)}
        if not names:
            yield from self._in_order(self._flat_entries(place, labels))
            return
        # The separator takes part in the order: keys of "a-b/" come before those of "a/".
        for name in sorted(names, key=lambda name: escape(name) + "/"):
            label = labels.get(shown(name))
            if label is not None:
                yield from self._in_order(self._class_entries(place, name, label))

    def _flat_entries(self, place: bytes, labels: Mapping[str, int]) -> Iterator[ImageEntry]:
        for path, size in self._files(place, recursive=False, above=()):
            name = path[len(place) :].lstrip(b"/")
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

    def _class_entries(self, place: bytes, folder: bytes, label: int) -> Iterator[ImageEntry]:
        below = _join(place, folder)
        prefix = place + b"/" if place else b""
        above = (self._identity(b""), self._identity(place))
        for path, size in self._files(below, recursive=True, above=above):
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

    def _files(
        self, folder: bytes, *, recursive: bool, above: tuple[tuple[int, int], ...]
    ) -> Iterator[tuple[bytes, int]]:
        # A list, since folders may be nested more deeply than calls.
        left = [(folder, above)]
        while left:
            folder, above = left.pop()
            identity = self._identity(folder)
            if identity in above:
                _log.warning("%s is a link back to a folder above it and is ignored", shown(folder))
                continue
            for entry in self._scan(folder):
                path = _join(folder, entry.name)
                if _is_folder(entry):
                    if recursive:
                        left.append((path, (*above, identity)))
                elif _is_image(entry):
                    yield path, _size(entry)

    def _identity(self, folder: bytes) -> tuple[int, int]:
        place = _join(self._root, folder)
        try:
            status = os.stat(place)  # noqa: PTH116 - bytes
        except OSError as error:
            raise _not_listed(place, error) from error
        return status.st_dev, status.st_ino

    def _scan(self, folder: bytes) -> Iterator[os.DirEntry[bytes]]:
        place = _join(self._root, folder)
        try:
            with os.scandir(place) as entries:
                yield from (e for e in entries if not e.name.startswith(b"."))
        except OSError as error:
            self._problem(_not_listed(place, error))

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        locator = locator_of(source)
        # A manifest may be anybody's: it must not name files outside SRC.
        if locator.startswith(b"/") or b".." in locator.split(b"/") or b"\0" in locator:
            message = f"{source!r} lies outside of --src; it is no photograph of a build"
            raise SourceError(message)
        place = _join(self._root, locator)
        try:
            size = os.stat(place).st_size  # noqa: PTH116 - bytes
        except OSError as error:
            message = f"--src has no {source} ({error.strerror}); name the SRC of the build"
            raise SourceError(message) from error
        return ImageEntry(key, source, locator, size, None, None)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        if entry.size > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{entry.size} bytes")
        try:
            with open(_join(self._root, entry.locator), "rb") as file:  # noqa: PTH123 - bytes
                data = file.read()
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
        if len(data) != entry.size:
            message = (
                f"{entry.source} had {entry.size} bytes when the build was planned and now has "
                f"{len(data)}; put it back, or build into a new OUT"
            )
            raise SourceChangedError(message)
        return data


def _not_listed(place: bytes, error: OSError) -> SourceError:
    return SourceError(f"cannot list {shown(place)}: {error.strerror}")


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_image(entry: os.DirEntry[bytes]) -> bool:
    if not is_image_name(entry.name):
        return False
    try:
        # A pipe or a device, or a link to one, would block its reader.
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        # A link to nothing counts, so that it becomes a failed row.
        return entry.is_symlink()


def _size(entry: os.DirEntry[bytes]) -> int:
    """Bytes of a file; -1 for a link to nothing, and for what is not a file."""
    try:
        status = entry.stat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder and name else folder or name


def locator_of(source: str) -> bytes:
    r"""The path that a manifest's ``source`` stands for: ``\xNN`` is a byte again."""
    return _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), source.encode())
