"""What the sources of every kind of archive have in common."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from texgen.core.errors import SourceError
from texgen.core.keys import escape, image_key_of
from texgen.core.types import ImageEntry
from texgen.source.archive.catalogue import Catalogue, CatalogueEntry
from texgen.source.archive.discovery import missing_parts, root_of, split_files
from texgen.source.archive.member_folders import (
    ClassRoot,
    MemberFolders,
    find_class_root,
    refuse_mixed,
)
from texgen.source.archive.split import Archive, ArchiveSplit
from texgen.source.base import OnError, SourceSpec, SplitListing, raise_error
from texgen.source.labels.class_index import class_filter_notes
from texgen.source.labels.files import read_labels
from texgen.source.labels.rules import ArchiveImage, ByFolder, ByName, Labelling, Unlabelled
from texgen.source.paths import strip_extension
from texgen.storage import open_store


class ArchiveSource(abc.ABC):
    """Splits of archives, listed once and kept as tables.

    Args:
        spec: See `texgen.source.SourceSpec`.
        on_error: Called with each error that would end a build; the default raises the first.

    Attributes:
        suffix: End of the archives' names.
    """

    suffix: ClassVar[str]

    def __init__(self, spec: SourceSpec, on_error: OnError = raise_error) -> None:
        self._spec = spec
        self._on_error = on_error
        self._files = open_store(spec.location, spec.endpoint)
        self._root = root_of(self._files, spec.location)
        self._splits: dict[str, ArchiveSplit] = {}

    @property
    def parallel(self) -> int:
        """See `texgen.source.Source`."""
        return self._files.parallel

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        spec = self._spec
        archives = split_files(self._files, spec.location, self.suffix, spec.selected, spec.layout)
        return self._listings(archives.splits, archives.notes)

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        return self._splits[split.name].entries(self._on_error)

    def notes(self, split: SplitListing) -> Sequence[str]:
        """Empty: an archive's notes are known with its `SplitListing`."""
        return ()

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        if not self._splits:
            self.splits()
        # The key of a further texture begins with its image's key. Without the labels that gave
        # a flat split its classes, that key lacks the class.
        image_key = image_key_of(key)
        keys = dict.fromkeys((image_key, image_key.partition("/")[2], image_key.rpartition("/")[2]))
        for split in self._splits.values():
            for entry in (entry for known in keys for entry in split.of_key(known)):
                if entry.source == source:
                    return entry
        message = f"--src has no {source}; name the SRC of the build"
        raise SourceError(message)

    def _listings(
        self, paths_by_split: Mapping[str, Sequence[str]], notes: Sequence[str]
    ) -> tuple[SplitListing, ...]:
        """Lists the splits of the given archives; every split gets ``notes``."""
        # A file or a pattern names the wanted parts, so that the others are not missing.
        if self._root == self._spec.location:
            for error in missing_parts(path for paths in paths_by_split.values() for path in paths):
                self._on_error(error)
        self._splits = {name: self._split(name, paths) for name, paths in paths_by_split.items()}
        return tuple(split.listing(notes) for split in self._splits.values())

    @abc.abstractmethod
    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        """Lists the images in the archives of a split."""

    @abc.abstractmethod
    def _member_text(self, name: bytes, position: int) -> str:
        """Name of an image within its archive; see `texgen.source.archive.split.MemberText`."""

    def _labelled(
        self,
        name: str,
        archives: Sequence[Archive],
        images: Iterable[ArchiveImage],
        labelling: Labelling,
    ) -> ArchiveSplit:
        """A split of images with labels in the archives."""
        folders = MemberFolders()
        split = self._collect(name, archives, folders.watch(images), labelling)
        try:
            refuse_mixed(folders, name, self._spec)
        except SourceError as error:
            self._on_error(error)
        unused = f"--labels is not used for {name!r}, which has labels of its own"
        return split.with_notes([unused] if self._spec.labels else [])

    def _unlabelled(
        self,
        name: str,
        archives: Sequence[Archive],
        images: Iterable[ArchiveImage],
        same_images: Iterable[ArchiveImage],
    ) -> ArchiveSplit:
        """A split of images whose folders may be classes.

        Args:
            name: Name of the split.
            archives: See `ArchiveSplit`.
            images: The images, whose folders are looked at first.
            same_images: The same images once more.
        """
        folders = MemberFolders()
        for image in images:
            folders.add(image.path)
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
        split = self._collect(name, archives, root.images(same_images), labelling)
        label_map = split.labels if is_known and not self._spec.wanted_classes else None
        if label_map is not None and len(label_map.final) == 1:
            notes.append(f"all images of {name!r} are of one class, {label_map.classes[0]!r}")
        return split.with_notes([*notes, *root.notes(name)])

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
                row = CatalogueEntry(
                    escape(path),
                    image.file,
                    image.name,
                    image.position,
                    image.size,
                    image.check,
                    label,
                )
                catalogue.add(row)
        wanted = self._spec.wanted_classes
        labels = labelling.label_map(wanted)
        classes = labels.classes if labels else None
        notes = [*labelling.notes(name), *class_filter_notes(wanted, classes, name)]
        return ArchiveSplit(name, archives, catalogue, self._member_text, labels, notes)
