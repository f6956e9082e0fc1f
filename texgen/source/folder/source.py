"""Images in folders: class folders as torchvision's ImageFolder takes them, and flat splits."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence

from texgen.core.errors import ImageError, SourceError
from texgen.core.text import pluralize
from texgen.core.types import ImageEntry
from texgen.source.base import (
    OnError,
    Source,
    SourceSpec,
    SplitListing,
    in_label_order,
    raise_error,
    select_splits,
    single_split_name,
)
from texgen.source.folder.class_detection import is_flat
from texgen.source.folder.contents import FolderCache, FolderContents, refuse_dangling_links
from texgen.source.folder.split import FolderSplit
from texgen.source.folder.split_folders import FolderLayout, find_layout
from texgen.source.labels.class_index import class_filter_notes
from texgen.source.labels.files import read_labels
from texgen.source.locator import locator_of
from texgen.source.paths import join_path
from texgen.source.read_errors import (
    MISSING_ERRORS,
    check_image_size,
    check_unchanged_size,
    listing_error,
    translate_read_errors,
)

_TINY_IMAGENET_LABELS = "val_annotations.txt"
"""Labels of Tiny-ImageNet's validation split, beside its one folder ``images``."""

_KAGGLE_LABELS = "LOC_val_solution.csv"


class FolderSource(Source):
    """A folder of split folders, or of one split.

    Raises:
        SourceError: If the location is not a folder.
    """

    def __init__(self, spec: SourceSpec, on_error: OnError = raise_error) -> None:
        super().__init__(spec, on_error)
        self._splits: dict[str, FolderSplit] = {}
        if self._kind != "folder":
            is_file = "--src-format folder takes a folder, and this is a file"
            reason = is_file if self._kind == "file" else "no such folder"
            raise SourceError(f"--src {spec.location}: {reason}")

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        cache = FolderCache(self._files)
        try:
            layout = find_layout(cache, self._spec.layout)
            return tuple(
                self._listing(cache, name, folder, layout)
                for name, folder in self._split_folders(layout).items()
            )
        except OSError as error:
            self._on_error(listing_error(error.filename or self._spec.location, error))
            return ()

    def _split_folders(self, layout: FolderLayout) -> dict[str, str]:
        """Name and folder of the splits to take."""
        if layout.splits:
            return select_splits(self._spec.selected, layout.splits)
        own_path = layout.folder or os.path.normpath(self._spec.location)
        name = single_split_name(own_path.rpartition("/")[2], self._spec.selected)
        return {name: layout.folder}

    def _listing(
        self, cache: FolderCache, name: str, folder: str, layout: FolderLayout
    ) -> SplitListing:
        classes_layout = "splits" if layout.splits else "classes"
        flat, flat_notes = is_flat(cache, folder, self._spec.layout, classes_layout)
        notes = [*layout.notes, *flat_notes]
        contents = cache.contents(folder, complete=True)
        split = FolderSplit(self._files, os.fsencode(folder), flat or not contents.folders)
        self._splits[name] = split
        if split.is_flat:
            classes = self._flat_classes(split, name, contents, notes)
            if classes is None:
                notes += _kaggle_hint(name, folder, cache)
        else:
            dangling = contents.dangling_links
            refuse_dangling_links(self._spec.location, folder, dangling, "a class")
            classes = self._wanted(map(os.fsencode, contents.folders))
            if contents.images:
                count = pluralize(contents.images, "image")
                notes.append(f"{count} beside the class folders of {name!r} are ignored")
            if self._spec.labels is not None:
                notes.append(f"--labels is not used for {name!r}, which has class folders")
        notes += class_filter_notes(self._spec.wanted_classes, classes, name)
        return SplitListing(name, classes or (), tuple(notes))

    def _flat_classes(
        self, split: FolderSplit, name: str, contents: FolderContents, notes: list[str]
    ) -> tuple[str, ...] | None:
        """Reads a flat split's labels and returns its classes; None without labels."""
        path = self._spec.labels
        if path is None and _TINY_IMAGENET_LABELS in contents.files:
            below_src = join_path(os.fsdecode(split.folder), _TINY_IMAGENET_LABELS)
            path = self._files.place(below_src)
            notes.append(f"the labels of {name!r} are those of {below_src}")
        if path is None:
            return None
        labels = read_labels(path, self._spec.endpoint)
        return self._wanted(split.labelled_classes(labels, self._on_error))

    def _wanted(self, names: Iterable[bytes]) -> tuple[str, ...]:
        """The classes to take of ``names``, in label order."""
        wanted = self._spec.wanted_classes
        return tuple(name for name in in_label_order(names) if wanted is None or name in wanted)

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        return self._splits[split.name].entries(split.classes, self._on_error)

    def notes(self, split: SplitListing) -> Sequence[str]:
        """See `texgen.source.Source.notes`."""
        return self._splits[split.name].notes(split.name, len(split.classes))

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        path = locator_of(source)
        # The manifest may come from anyone, and must not name files outside SRC: an absolute path
        # and an address in the bucket have an empty step.
        if not {b"", b".."}.isdisjoint(path.split(b"/")) or b"\0" in path:
            raise SourceError(f"{source!r} lies outside of --src; no build writes such a row")
        try:
            size = self._files.open(os.fsdecode(path)).size()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "names there are UTF-8"
            raise SourceError(
                f"--src has no {source} ({reason}); name the SRC of the build"
            ) from error
        return ImageEntry(key, source, path, size, None, None)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        check_image_size(entry.size)
        with translate_read_errors(entry.source, entry.source):
            try:
                # A file may have grown to any size: no more than its planned bytes are read.
                path = os.fsdecode(entry.locator)
                file = self._files.get_range(path, 0, max(1, entry.size))
            except PermissionError as error:
                raise ImageError("image_denied", entry.source) from error
            except OSError as error:
                # The entry of a dangling link has no size.
                was_missing = entry.size < 0 and isinstance(error, MISSING_ERRORS)
                if was_missing or error.errno == errno.ELOOP:
                    raise ImageError("image_missing", entry.source) from error
                raise
        check_unchanged_size(entry.source, entry.size, file.size)
        return file.data


def _kaggle_hint(name: str, folder: str, cache: FolderCache) -> Iterator[str]:
    """Where Kaggle's labels of a flat split are, if a folder above it holds them."""
    while folder and name != "test":
        folder = folder.rpartition("/")[0]
        if _KAGGLE_LABELS in cache.contents(folder).files:
            path = join_path(folder, _KAGGLE_LABELS)
            yield f"{name!r} has no labels; --labels SRC/{path} gives it those of ImageNet"
            return
