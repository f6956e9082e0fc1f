"""A split of archives: its images, classes and notes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from texgen.core.types import ImageEntry
from texgen.source.archive.catalogue import Catalogue, CatalogueEntry
from texgen.source.base import OnError, SplitListing
from texgen.source.labels.class_index import LabelMap
from texgen.source.locator import Locator
from texgen.source.paths import displayable

MemberText = Callable[[bytes, int], str]
"""Makes the name of an image within its archive, for messages, of its name and position."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a split.

    Attributes:
        path: Path relative to SRC.
        size: Bytes of the archive.
    """

    path: str
    size: int

    @property
    def text(self) -> str:
        """The path as UTF-8, for messages and Parquet."""
        return displayable(os.fsencode(self.path))


@dataclass(frozen=True, slots=True)
class ArchiveSplit:
    """A split of archives.

    Attributes:
        name: ``train``, ``val``, …
        archives: The archives, which `CatalogueEntry.file` numbers.
        catalogue: Its images.
        member_text: Makes the name of an image within its archive.
        labels: The labels of its images; None for a flat split.
        notes: What was ignored, a sentence each.
        clash_hint: What to do about two images of one key.
    """

    name: str
    archives: Sequence[Archive]
    catalogue: Catalogue
    member_text: MemberText
    labels: LabelMap | None
    notes: Sequence[str] = field(default=())
    clash_hint: str = "rename one"

    def listing(self, notes: Iterable[str] = ()) -> SplitListing:
        """The listing for the plan; ``notes`` of the whole source come first."""
        classes = self.labels.classes if self.labels else ()
        return SplitListing(self.name, classes, (*notes, *self.notes))

    def with_notes(self, notes: Iterable[str]) -> ArchiveSplit:
        """A copy with more notes."""
        return replace(self, notes=[*self.notes, *notes])

    def entries(self, on_error: OnError) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        return self.catalogue.entries(self._entry, on_error, self.clash_hint)

    def of_key(self, key: str) -> Iterator[ImageEntry]:
        """The images of one key; several where keys clash."""
        entries = map(self._entry, self.catalogue.of_key(key))
        return (entry for entry in entries if entry is not None)

    def _entry(self, row: CatalogueEntry) -> ImageEntry | None:
        archive, label, class_name = self.archives[row.file], None, None
        if self.labels is not None:
            label = self.labels.final.get(-1 if row.label is None else row.label)
            if label is None:
                return None
            class_name = self.labels.classes[label]
        source = f"{archive.text}!{self.member_text(row.name, row.position)}"
        locator = Locator(row.position, archive.size, row.check, archive.path)
        return ImageEntry(row.key, source, locator.encode(), row.size, label, class_name)
