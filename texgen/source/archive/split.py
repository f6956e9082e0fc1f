"""A split found in archives: its photographs, classes and notes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from texgen.core.errors import SourceError
from texgen.core.keys import escape
from texgen.core.types import ImageEntry
from texgen.source.archive.catalogue import Catalogue, CatalogueEntry
from texgen.source.base import OnError, SourceSpec, SplitListing, displayable
from texgen.source.labels.class_index import LabelMap, classes_notes
from texgen.source.labels.rules import ArchiveImage, Labelling
from texgen.source.locator import Locator
from texgen.source.member_names import stem

MemberText = Callable[[bytes, int], str]
"""Names a photograph within its archive, for people, by its name and position."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of a split.

    Attributes:
        path: Relative to SRC.
        size: Its bytes.
    """

    path: str
    size: int

    @property
    def text(self) -> str:
        """Its path for people and Parquet."""
        return displayable(os.fsencode(self.path))


@dataclass(frozen=True, slots=True)
class ArchiveSplit:
    """A split as found.

    Attributes:
        name: ``train``, ``val``, …
        archives: `CatalogueEntry.file` numbers them.
        catalogue: Its photographs.
        member: Names a photograph within its archive.
        labels: Their classes; None for a flat split.
        notes: What was seen and ignored, a sentence each.
        clash: What to do about two photographs of one key.
    """

    name: str
    archives: Sequence[Archive]
    catalogue: Catalogue
    member: MemberText
    labels: LabelMap | None
    notes: Sequence[str] = field(default=())
    clash: str = "rename one"

    def listing(self, notes: Iterable[str] = ()) -> SplitListing:
        """What the plan is told first, ``notes`` on all splits included."""
        classes = self.labels.classes if self.labels else ()
        return SplitListing(self.name, classes, (*notes, *self.notes))

    def with_notes(self, notes: Iterable[str]) -> ArchiveSplit:
        """The same, with more notes."""
        return replace(self, notes=[*self.notes, *notes])

    def entries(self, problem: OnError) -> Iterator[ImageEntry]:
        """See `texgen.source.Source.entries`."""
        return self.catalogue.entries(self._entry, problem, self.clash)

    def of_key(self, key: str) -> Iterator[ImageEntry]:
        """The photographs of one key; more than one where that is a problem."""
        made = map(self._entry, self.catalogue.of_key(key))
        return (entry for entry in made if entry is not None)

    def _entry(self, found: CatalogueEntry) -> ImageEntry | None:
        archive, label, name = self.archives[found.file], None, None
        if self.labels is not None:
            label = self.labels.final.get(-1 if found.label is None else found.label)
            if label is None:
                return None
            name = self.labels.classes[label]
        source = f"{archive.text}!{self.member(found.name, found.position)}"
        place = Locator(found.position, archive.size, found.check, archive.path)
        return ImageEntry(found.key, source, place.encode(), found.size, label, name)


def collect(
    spec: SourceSpec,
    name: str,
    archives: Sequence[Archive],
    pictures: Iterable[ArchiveImage],
    labelling: Labelling,
    member: MemberText,
    problem: OnError,
) -> ArchiveSplit:
    """A split of the given photographs.

    Args:
        spec: Says what keys are made of, and which classes are taken.
        name: Name of the split.
        archives: See `ArchiveSplit`.
        pictures: The photographs in any order.
        labelling: Gives them keys and labels.
        member: See `ArchiveSplit`.
        problem: See `OnError`.
    """
    catalogue = Catalogue()
    stems = [stem(os.fsencode(archive.path)) for archive in archives]
    for picture in pictures:
        try:
            placed = labelling.place(picture)
        except SourceError as error:
            where = f"{archives[picture.file].text}!{member(picture.name, picture.position)}"
            problem(SourceError(f"{where} {error}"))
            continue
        if placed is not None:
            position, size, check = picture[4:7]
            path, label = placed
            if spec.keys == "file":
                path = stems[picture.file] + b"/" + (picture.place or picture.path)
            found = CatalogueEntry(
                escape(path), picture.file, picture.name, position, size, check, label
            )
            catalogue.add(found)
    labels = labelling.label_map(spec.taken)
    notes = [*labelling.notes(name), *classes_notes(spec.taken, labels, name)]
    return ArchiveSplit(name, archives, catalogue, member, labels, notes)
