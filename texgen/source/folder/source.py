"""Images in folders: class folders as torchvision's ImageFolder takes them, and flat splits."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ImageError, SourceChangedError, SourceError, SourceReadError
from texgen.core.keys import escape, image_key
from texgen.core.text import pluralize
from texgen.core.types import ImageEntry
from texgen.source.base import (
    MAX_FILE_BYTES,
    OnError,
    SourceSpec,
    SplitListing,
    check_selected,
    in_label_order,
    raise_error,
    single_split_name,
)
from texgen.source.folder.class_folders import is_flat
from texgen.source.folder.contents import FolderCache, FolderContents, refuse_lost
from texgen.source.folder.layout import FolderLayout, find_layout
from texgen.source.folder.walk import FolderWalk, LeftOut, not_listed
from texgen.source.labels.class_index import missing_note
from texgen.source.labels.files import Labels, read_labels
from texgen.source.locator import locator_of
from texgen.source.paths import displayable, join_bytes, join_path, quote_paths
from texgen.storage.filesystem import files_at

_TINY_IMAGENET = "val_annotations.txt"
"""Labels of Tiny-ImageNet's validation split, beside its one folder ``images``."""

_KAGGLE = "LOC_val_solution.csv"


@dataclass(slots=True)
class _Split:
    """A split as found.

    Attributes:
        folder: The folder that holds it, relative to SRC.
        flat: Whether folders in it are no classes.
        nested: Whether there are folders in it.
        labels: Classes of a flat split's images; None without.
        left_out: What listing its images has passed over.
        empty: Classes without an image.
    """

    folder: bytes
    flat: bool
    nested: bool
    labels: Labels | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    empty: list[str] = field(default_factory=list)


class FolderSource:
    """A folder of splits, or one split.

    Args:
        spec: Names the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.

    Raises:
        SourceError: If its location is not a folder.
    """

    def __init__(self, spec: SourceSpec, problem: OnError = raise_error) -> None:
        self._spec = spec
        self._problem = problem
        self._files = files_at(spec.location, spec.endpoint)
        self._walk = FolderWalk(self._files, spec.location)
        self._splits: dict[str, _Split] = {}
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
        spec = self._spec
        looks = FolderCache(self._files, spec.location)
        try:
            layout = find_layout(looks, spec.location, spec.layout)
            return tuple(self._listing(looks, *found, layout) for found in self._found(layout))
        except OSError as error:
            self._problem(not_listed(error.filename or spec.location, error))
            return ()

    def _found(self, layout: FolderLayout) -> Iterator[tuple[str, str]]:
        """Name and folder of the splits to take."""
        selected = self._spec.selected
        if not layout.splits:
            own = layout.place or os.path.normpath(self._spec.location)
            yield single_split_name(own.rpartition("/")[2], selected), layout.place
            return
        check_selected(selected, layout.splits)
        for name, folder in layout.splits.items():
            if not selected or name in selected:
                yield name, folder

    def _listing(
        self, looks: FolderCache, name: str, folder: str, layout: FolderLayout
    ) -> SplitListing:
        keeps = "splits" if layout.splits else "classes"
        flat, said = is_flat(looks, folder, self._spec.location, self._spec.layout, keeps)
        notes, look = [*layout.notes, *said], looks.look(folder, whole=True)
        split = _Split(os.fsencode(folder), flat or not look.folders, bool(look.folders))
        self._splits[name] = split
        if split.flat:
            classes = self._flat_classes(split, name, looks, look, notes)
        else:
            refuse_lost(self._spec.location, folder, look.lost, "a class")
            classes = self._wanted(map(os.fsencode, look.folders))
            notes += self._beside_classes(name, look)
        notes += missing_note(self._spec.taken, classes, name)
        return SplitListing(name, classes, tuple(notes))

    def _beside_classes(self, name: str, look: FolderContents) -> Iterator[str]:
        if look.images:
            what = pluralize(look.images, "image")
            yield f"{what} beside the class folders of {name!r} are ignored"
        if self._spec.labels is not None:
            yield f"--labels is not used for {name!r}, which has class folders"

    def _flat_classes(
        self, split: _Split, name: str, looks: FolderCache, look: FolderContents, notes: list[str]
    ) -> tuple[str, ...]:
        """Finds a flat split's labels, and gives its classes."""
        path, folder = self._spec.labels, os.fsdecode(split.folder)
        if path is None and _TINY_IMAGENET in look.files:
            path = f"{self._walk.place(split.folder)}/{_TINY_IMAGENET}"
            notes.append(f"the labels of {name!r} are those of {join_path(folder, _TINY_IMAGENET)}")
        if path is None:
            if self._spec.classes is not None:
                message = f"--classes: the split {name!r} has no class folders; add --labels"
                raise SourceError(message)
            notes += self._hints(name, folder, looks)
            return ()
        split.labels = labels = read_labels(path, self._spec.endpoint)
        # Listed again for its entries, which are then counted.
        found = self._flat_images(split, self._problem, LeftOut())
        named = {labels.of(displayable(path.rpartition(b"/")[2])) for path, _ in found}
        return self._wanted(one.encode() for one in named if one is not None)

    def _hints(self, name: str, folder: str, looks: FolderCache) -> Iterator[str]:
        """Where the labels of a flat split may be."""
        while folder and name != "test":
            folder = folder.rpartition("/")[0]
            if _KAGGLE in looks.look(folder).files:
                path = join_path(folder, _KAGGLE)
                yield f"{name!r} has no labels; --labels SRC/{path} gives it those of ImageNet"
                return

    def _wanted(self, names: Iterable[bytes]) -> tuple[str, ...]:
        """Those of ``--classes``, in label order."""
        taken = self._spec.taken
        return tuple(one for one in in_label_order(names) if taken is None or one in taken)

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        found = self._splits[split.name]
        found.left_out, found.empty = LeftOut(), []
        labels = {name: label for label, name in enumerate(split.classes)}
        if found.flat:
            yield from self._in_order(self._flat_entries(found, labels))
            return
        scan = self._walk.scan(found.folder, self._problem, found.left_out)
        names = [item.name for item in scan if item.is_folder()]
        # The separator takes part in the order: keys of "a-b/" come before those of "a/".
        taken = sorted(names, key=lambda name: escape(name) + "/")

        def of_class(name: bytes) -> tuple[list[ImageEntry], LeftOut, list[SourceError]]:
            problems, left_out = list[SourceError](), LeftOut()
            label = labels[displayable(name)]
            entries = self._class_entries(found.folder, name, label, problems.append, left_out)
            return list(entries), left_out, problems

        # Problems are told in the order of classes, whichever was listed first.
        in_taken = [name for name in taken if displayable(name) in labels]
        listings = ordered_map(of_class, in_taken, self._files.parallel)
        for name, (entries, left_out, problems) in zip(in_taken, listings, strict=True):
            for problem in problems:
                self._problem(problem)
            found.left_out.add(left_out)
            if not entries:
                found.empty.append(displayable(name))
            yield from self._in_order(entries)

    def notes(self, split: SplitListing) -> Sequence[str]:
        """See `texgen.source.Source.notes`."""
        found = self._splits[split.name]
        notes = list(found.left_out.notes(split.name))
        # Where there is no image at all, that is said instead.
        if 0 < len(found.empty) < len(split.classes):
            what = pluralize(len(found.empty), "class")
            names = quote_paths(sorted(found.empty))
            notes.append(f"{what} of {split.name!r} without an image keeps its label: {names}")
        return notes

    def _flat_images(
        self, split: _Split, problem: OnError, left_out: LeftOut
    ) -> Iterator[tuple[bytes, int]]:
        """Path and size of a flat split's images."""
        if split.nested:
            yield from self._walk.images_below(split.folder, (), problem, left_out)
            return
        for item in self._walk.images(split.folder, problem, left_out):
            if (size := item.size()) is not None:
                yield join_bytes(split.folder, item.name), size

    def _flat_entries(self, split: _Split, labels: Mapping[str, int]) -> Iterator[ImageEntry]:
        prefix = len(join_bytes(split.folder, b"x")) - 1
        for path, size in self._flat_images(split, self._problem, split.left_out):
            if split.labels is None:
                yield ImageEntry(
                    image_key(path[prefix:]), displayable(path), path, size, None, None
                )
                continue
            name = path.rpartition(b"/")[2]
            class_name = split.labels.of(displayable(name))
            if class_name is None:
                self._problem(
                    SourceError(f"{displayable(path)} {split.labels.fault(displayable(name))}")
                )
            elif class_name in labels:
                key = image_key(class_name.encode() + b"/" + name)
                yield ImageEntry(key, displayable(path), path, size, labels[class_name], class_name)

    def _class_entries(
        self, place: bytes, folder: bytes, label: int, problem: OnError, left_out: LeftOut
    ) -> Iterator[ImageEntry]:
        prefix = place + b"/" if place else b""
        start = join_bytes(place, folder)
        for path, size in self._walk.images_below(start, (b"", place), problem, left_out):
            key = image_key(path[len(prefix) :])
            yield ImageEntry(key, displayable(path), path, size, label, displayable(folder))

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

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        locator = locator_of(source)
        # A manifest may be anybody's: it must not name files outside SRC.
        if locator.startswith(b"/") or b".." in locator.split(b"/") or b"\0" in locator:
            message = f"{source!r} lies outside of --src; it is no photograph of a build"
            raise SourceError(message)
        try:
            size = self._files.open(self._walk.place(locator)).size()
        except OSError as error:
            message = f"--src has no {source} ({error.strerror}); name the SRC of the build"
            raise SourceError(message) from error
        return ImageEntry(key, source, locator, size, None, None)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        if entry.size > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{entry.size} bytes")
        try:
            data, size = self._files.read(self._walk.place(entry.locator), entry.size)
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
