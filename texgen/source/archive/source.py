"""What the sources of every kind of archive have in common."""

from __future__ import annotations

import abc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, TypeAlias

from texgen.core.errors import SourceError
from texgen.core.keys import escape, image_key_of, strip_extension
from texgen.core.types import ImageEntry
from texgen.source.archive.discovery import find_archives, missing_parts
from texgen.source.archive.member_folders import (
    ClassRoot,
    MemberFolders,
    find_class_root,
    refuse_mixed,
)
from texgen.source.archive.patterns import fixed_folder, is_pattern
from texgen.source.archive.split import ArchiveSplit, Catalogue, CatalogueEntry
from texgen.source.base import (
    OnError,
    Source,
    SourceSpec,
    SplitListing,
    raise_error,
    skip_repeated_keys,
)
from texgen.source.labels.class_index import class_filter_notes
from texgen.source.labels.files import read_labels
from texgen.source.labels.rules import ArchiveImage, ByFolder, ByName, Labelling, Unlabelled
from texgen.source.locator import Archive, Locator
from texgen.storage import open_store

ListImages: TypeAlias = Callable[[OnError], Iterable[ArchiveImage]]
"""Lists the images of a split in any order; its argument is called for each that is wrong."""


class ArchiveSource(Source):
    """Splits of archives, listed once and kept as tables.

    Attributes:
        suffix: End of the archives' names.
        clash_hint: What to do about two images of one key.
    """

    suffix: ClassVar[str]
    clash_hint: ClassVar[str] = "rename one"

    def __init__(self, spec: SourceSpec, on_error: OnError = raise_error) -> None:
        super().__init__(spec, on_error)
        folder = spec.location
        if self._kind is None and is_pattern(folder):
            folder = fixed_folder(self._files, folder)
        elif self._kind != "folder":
            parent, slash, _ = folder.rpartition("/")
            folder = parent or slash or "."
        # Paths of archives are relative to it.
        self._files = open_store(folder, spec.endpoint)
        self._splits: dict[str, ArchiveSplit] = {}

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        paths_by_split, notes = self._find_archives()
        # A file or a pattern names the wanted parts, so that the others are not missing.
        if self._kind == "folder":
            for error in missing_parts(path for paths in paths_by_split.values() for path in paths):
                self._on_error(error)
        self._splits = {name: self._split(name, paths) for name, paths in paths_by_split.items()}
        return tuple(
            SplitListing(name, split.labels.classes if split.labels else (), (*notes, *split.notes))
            for name, split in self._splits.items()
        )

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        found = self._splits[split.name]
        entries = (self._entry(found, row) for row in found.catalogue.in_order())
        wanted = (entry for entry in entries if entry is not None)
        return skip_repeated_keys(wanted, self._on_error, self.clash_hint)

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        if not self._splits:
            self.splits()
        # The key of a further texture begins with its image's key. Without the labels that gave
        # a flat split its classes, that key lacks the class.
        image_key = image_key_of(key)
        keys = dict.fromkeys((image_key, image_key.partition("/")[2], image_key.rpartition("/")[2]))
        for split in self._splits.values():
            for row in (row for known in keys for row in split.catalogue.of_key(known)):
                entry = self._entry(split, row)
                if entry is not None and entry.source == source:
                    return entry
        raise SourceError(f"--src has no {source}; name the SRC of the build")

    def _find_archives(self) -> tuple[dict[str, list[str]], list[str]]:
        """Name of each split to the paths of its archives, and notes on what was ignored."""
        return find_archives(self._files, self._spec, self._kind, self.suffix)

    @abc.abstractmethod
    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        """Lists the images in the archives of a split."""

    @abc.abstractmethod
    def _member_text(self, name: bytes, position: int) -> str:
        """Name of an image within its archive, for messages."""

    def _labelled(
        self, name: str, archives: Sequence[Archive], images: ListImages, labelling: Labelling
    ) -> ArchiveSplit:
        """A split of images with labels in the archives."""
        folders = MemberFolders()
        split = self._collect(name, archives, folders.watch(images(self._on_error)), labelling)
        try:
            refuse_mixed(folders, name, self._spec)
        except SourceError as error:
            self._on_error(error)
        if self._spec.labels:
            split.notes.append(f"--labels is not used for {name!r}, which has labels of its own")
        return split

    def _unlabelled(
        self, name: str, archives: Sequence[Archive], images: ListImages
    ) -> ArchiveSplit:
        """A split of images whose folders may be classes."""
        folders = MemberFolders()
        # The folders of all images are looked at before the first image gets a key.
        deque(folders.watch(images(lambda _: None)), maxlen=0)
        is_known = True
        try:
            root = find_class_root(folders, name, self._spec)
        except SourceError as error:
            self._on_error(error)
            root, is_known = ClassRoot(), False
        labels, notes = self._spec.labels, list[str]()
        labelling: Labelling = Unlabelled()
        if folders.children(root.path) and self._spec.layout != "flat":
            labelling = ByFolder()
            if labels:
                notes.append(f"--labels is not used for {name!r}, which has folders as classes")
        elif labels:
            labelling = ByName(read_labels(labels, self._spec.endpoint))
        split = self._collect(name, archives, root.images(images(self._on_error)), labelling)
        label_map = split.labels if is_known and not self._spec.wanted_classes else None
        if label_map is not None and len(label_map.final) == 1:
            notes.append(f"all images of {name!r} are of one class, {label_map.classes[0]!r}")
        split.notes.extend([*notes, *root.notes(name)])
        return split

    def _collect(
        self,
        name: str,
        archives: Sequence[Archive],
        images: Iterable[ArchiveImage],
        labelling: Labelling,
    ) -> ArchiveSplit:
        """Makes a split of images that come in any order."""
        catalogue = Catalogue()
        stems = [strip_extension(os.fsencode(archive.path)) for archive in archives]
        for image in images:
            try:
                path_and_label = labelling.key_and_label(image)
            except SourceError as error:
                member = self._member_text(image.name, image.position)
                self._on_error(SourceError(f"{archives[image.file].text}!{member} {error}"))
                continue
            if path_and_label is not None:
                path, label = path_and_label
                if self._spec.keys == "file":
                    path = stems[image.file] + b"/" + (image.file_key or image.path)
                catalogue.add(escape(path), image, label)
        wanted = self._spec.wanted_classes
        labels = labelling.label_map(wanted)
        classes = labels.classes if labels else None
        notes = [*labelling.notes(name), *class_filter_notes(wanted, classes, name)]
        return ArchiveSplit(archives, catalogue, labels, notes)

    def _entry(self, split: ArchiveSplit, row: CatalogueEntry) -> ImageEntry | None:
        """An image for the plan; None if its class is not taken."""
        archive, label, class_name = split.archives[row.file], None, None
        if split.labels is not None:
            label = split.labels.final.get(-1 if row.label is None else row.label)
            if label is None:
                return None
            class_name = split.labels.classes[label]
        source = f"{archive.text}!{self._member_text(row.name, row.position)}"
        locator = Locator(archive, row.position, row.check)
        return ImageEntry(row.key, source, locator.encode(), row.size, label, class_name)
