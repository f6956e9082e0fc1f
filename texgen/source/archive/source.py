"""What the sources of every kind of archive have in common."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from texgen.core.errors import SourceError
from texgen.core.keys import image_key_of
from texgen.core.types import ImageEntry
from texgen.source.archive.discovery import missing_parts, root_of, split_files
from texgen.source.archive.member_folders import Folders, Inside, look_inside, refuse_mixed
from texgen.source.archive.split import Archive, ArchiveSplit, collect
from texgen.source.base import OnError, SourceSpec, SplitListing, raise_error
from texgen.source.labels.files import read_labels
from texgen.source.labels.rules import ArchiveImage, ByFolder, ByName, Labelling, Unlabelled
from texgen.storage.filesystem import files_at


class ArchiveSource(abc.ABC):
    """Splits of archives, found once and kept as tables.

    Args:
        spec: Of the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.
    """

    suffix: ClassVar[str]

    def __init__(self, spec: SourceSpec, problem: OnError = raise_error) -> None:
        self._spec = spec
        self._problem = problem
        self._files = files_at(spec.location, spec.endpoint)
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
        return self._splits[split.name].entries(self._problem)

    def notes(self, split: SplitListing) -> Sequence[str]:
        """See `texgen.source.Source.notes`: all is known before the first image."""
        return ()

    def find(self, key: str, source: str) -> ImageEntry:
        """See `texgen.source.Source.find`."""
        if not self._splits:
            self.splits()
        return _find(self._splits.values(), key, source)

    def _listings(
        self, found: Mapping[str, Sequence[str]], notes: Sequence[str]
    ) -> tuple[SplitListing, ...]:
        """Lists the splits whose archives were found; ``notes`` are on all of them."""
        # Of a file or a pattern it is said which ones are wanted.
        if self._root == self._spec.location:
            for error in missing_parts(path for paths in found.values() for path in paths):
                self._problem(error)
        self._splits = {name: self._split(name, paths) for name, paths in found.items()}
        return tuple(split.listing(notes) for split in self._splits.values())

    @abc.abstractmethod
    def _member(self, name: bytes, position: int) -> str:
        """Names a photograph within its archive; see `texgen.source.archive.split.MemberText`."""

    def _labelled(
        self,
        name: str,
        archives: Sequence[Archive],
        pictures: Iterable[ArchiveImage],
        labelling: Labelling,
    ) -> ArchiveSplit:
        """A split of photographs that have labels of their own."""
        folders = Folders()
        watched = folders.watch(pictures)
        split = collect(self._spec, name, archives, watched, labelling, self._member, self._problem)
        try:
            refuse_mixed(folders, name, self._spec)
        except SourceError as error:
            self._problem(error)
        unused = f"--labels is not used for {name!r}, which has labels of its own"
        return split.with_notes([unused] if self._spec.labels else [])

    def _unlabelled(
        self,
        name: str,
        archives: Sequence[Archive],
        unseen: Iterable[ArchiveImage],
        pictures: Iterable[ArchiveImage],
    ) -> ArchiveSplit:
        """A split of photographs whose folders may be classes.

        Args:
            name: Name of the split.
            archives: See `ArchiveSplit`.
            unseen: The photographs, to be looked at first.
            pictures: The same once more.
        """
        folders = Folders()
        for picture in unseen:
            folders.add(picture.path)
        is_known = True
        try:
            inside = look_inside(folders, name, self._spec)
        except SourceError as error:
            self._problem(error)
            inside, is_known = Inside(), False
        labels, notes = self._spec.labels, list[str]()
        labelling: Labelling = Unlabelled()
        if folders.children(inside.above) and self._spec.layout != "flat":
            labelling = ByFolder()
            if labels:
                notes.append(f"--labels is not used for {name!r}, which has folders as classes")
        elif labels:
            labelling = ByName(read_labels(labels, self._spec.endpoint))
        inner = inside.pictures(pictures)
        split = collect(self._spec, name, archives, inner, labelling, self._member, self._problem)
        found = split.labels if is_known and not self._spec.taken else None
        if found is not None and len(found.final) == 1:
            notes.append(f"all images of {name!r} are of one class, {found.classes[0]!r}")
        return split.with_notes([*notes, *inside.notes(name)])

    @abc.abstractmethod
    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        """Looks into the archives of a split."""


def _find(splits: Iterable[ArchiveSplit], key: str, source: str) -> ImageEntry:
    # Of a further texture it is the key of the first; and without the labels that gave a flat
    # split its classes, the key has none of them.
    image = image_key_of(key)
    names = dict.fromkeys((image, image.partition("/")[2], image.rpartition("/")[2]))
    for split in splits:
        for entry in (entry for name in names for entry in split.of_key(name)):
            if entry.source == source:
                return entry
    message = f"--src has no {source}; name the SRC of the build"
    raise SourceError(message)
