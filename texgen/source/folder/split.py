"""One split of a folder source: its images with their keys, labels and classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from texgen.core.errors import SourceError
from texgen.core.keys import escape, image_key
from texgen.core.text import pluralize
from texgen.core.types import ImageEntry
from texgen.source.base import OnError, map_reporting, skip_repeated_keys
from texgen.source.folder.walk import IgnoredCounts, images_below, scan_folder
from texgen.source.labels.files import Labels
from texgen.source.paths import displayable, join_bytes, quote_paths
from texgen.storage import Store


@dataclass(slots=True)
class FolderSplit:
    """A split whose images lie in folders.

    Attributes:
        files: SRC.
        folder: Folder of the split, relative to SRC.
        is_flat: Whether the folders in it are not classes.
        labels: Classes of a flat split's images; None without ``--labels``.
        ignored: Counts of what `entries` has ignored.
        empty_classes: Classes in which `entries` has seen no image.
    """

    files: Store
    folder: bytes
    is_flat: bool
    labels: Labels | None = None
    ignored: IgnoredCounts = field(default_factory=IgnoredCounts)
    empty_classes: list[str] = field(default_factory=list)

    def labelled_classes(self, labels: Labels, on_error: OnError) -> set[bytes]:
        """Takes the labels of a flat split, and returns the classes that its images have."""
        self.labels = labels
        # `entries` lists the images again, and counts what it ignores.
        images = images_below(self.files, self.folder, (), on_error, IgnoredCounts())
        names = {labels.class_of(_file_name(path)) for path, _ in images}
        return {name.encode() for name in names if name is not None}

    def entries(self, classes: Sequence[str], on_error: OnError) -> Iterator[ImageEntry]:
        """The images in byte order of their keys.

        Args:
            classes: Classes to take, in label order; empty for a flat split without labels.
            on_error: Called for each error that would end a build.
        """
        self.ignored, self.empty_classes = IgnoredCounts(), []
        labels = {name: label for label, name in enumerate(classes)}
        entries: Iterable[ImageEntry] = (
            _sorted(self._flat_entries(labels, on_error))
            if self.is_flat
            else self._entries_by_class(labels, on_error)
        )
        yield from skip_repeated_keys(entries, on_error)

    def notes(self, name: str, class_count: int) -> list[str]:
        """What `entries` has ignored, a sentence each.

        Args:
            name: Name of the split.
            class_count: Number of its classes.
        """
        notes = list(self.ignored.notes(name))
        # If all classes are empty, the split has no images, which the plan reports.
        if 0 < len(self.empty_classes) < class_count:
            count, names = len(self.empty_classes), quote_paths(sorted(self.empty_classes))
            notes.append(
                f"{pluralize(count, 'class')} of {name!r} without an image keeps its label: {names}"
            )
        return notes

    def _entries_by_class(
        self, labels: Mapping[str, int], on_error: OnError
    ) -> Iterator[ImageEntry]:
        scan = scan_folder(self.files, self.folder, on_error, self.ignored)
        folders = [item.name for item in scan if item.is_folder()]
        # The separator takes part in the order: keys of "a-b/" come before those of "a/".
        folders.sort(key=lambda name: escape(name) + "/")
        folders = [name for name in folders if displayable(name) in labels]

        def list_class(name: bytes, report: OnError) -> tuple[list[ImageEntry], IgnoredCounts]:
            ignored = IgnoredCounts()
            folder, parents = join_bytes(self.folder, name), (b"", self.folder)
            class_name = displayable(name)
            entries = (
                _entry(path, size, self._below(path), labels[class_name], class_name)
                for path, size in images_below(self.files, folder, parents, report, ignored)
            )
            return _sorted(entries), ignored

        listings = map_reporting(list_class, folders, self.files.parallel, on_error)
        for folder, (entries, ignored) in zip(folders, listings, strict=True):
            self.ignored.add(ignored)
            if not entries:
                self.empty_classes.append(displayable(folder))
            yield from entries

    def _flat_entries(self, labels: Mapping[str, int], on_error: OnError) -> Iterator[ImageEntry]:
        for path, size in images_below(self.files, self.folder, (), on_error, self.ignored):
            if self.labels is None:
                yield _entry(path, size, self._below(path), None, None)
                continue
            class_name = self.labels.class_of(_file_name(path))
            if class_name is None:
                reason = self.labels.missing_reason(_file_name(path))
                on_error(SourceError(f"{displayable(path)} {reason}"))
            elif class_name in labels:
                key = class_name.encode() + b"/" + path.rpartition(b"/")[2]
                yield _entry(path, size, key, labels[class_name], class_name)

    def _below(self, path: bytes) -> bytes:
        """A path relative to the split's folder."""
        return path[len(self.folder) + 1 :] if self.folder else path


def _entry(
    path: bytes, size: int, key: bytes, label: int | None, class_name: str | None
) -> ImageEntry:
    return ImageEntry(image_key(key), displayable(path), path, size, label, class_name)


def _file_name(path: bytes) -> str:
    return displayable(path.rpartition(b"/")[2])


def _sorted(entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    return sorted(entries, key=lambda entry: (entry.key, entry.locator))
