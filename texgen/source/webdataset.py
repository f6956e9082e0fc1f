"""Photographs in WebDataset shards."""

from __future__ import annotations

from collections.abc import Iterable

from texgen.source.archive import ArchiveSplit, collect
from texgen.source.archive_source import ArchiveSource
from texgen.source.base import Problem, SourceSpec, SplitListing, shown, throw
from texgen.source.files import open_archives, split_files
from texgen.source.labelling import ByFolder, ByName, ByNumber, Labelling, Unlabelled
from texgen.source.labels import read_labels
from texgen.source.reading import TarReader
from texgen.source.samples import Samples
from texgen.source.tar_index import tar_indexes
from texgen.types import ImageEntry


class WebDatasetSource(ArchiveSource):
    """A folder of tars, a folder of split folders of tars, one tar, or a pattern of tars.

    Labels are those of the ``.cls`` files. Where there are none, the folders in the keys
    are the classes, and where there are none of those either, ``--labels`` may name them.

    Args:
        spec: Of the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.
    """

    def __init__(self, spec: SourceSpec, problem: Problem = throw) -> None:
        super().__init__(spec, problem)
        self._reader = TarReader(self._files, self._root)

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        files = split_files(
            self._files, self._spec.location, ".tar", self._spec.selected, self._spec.layout
        )
        return self._listings(files.splits, files.notes)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        return self._reader.read(entry)

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        archives = list(open_archives(self._files, self._root, paths, self._problem))
        indexes = tar_indexes(self._files, self._root, archives, self._problem)
        samples = Samples(archives, indexes)
        labelling, notes = self._labelling(name, samples)
        pictures = samples.pictures(self._problem)
        taken = self._spec.taken
        split = collect(name, archives, pictures, labelling, taken, _member, self._problem)
        return split.with_notes([*notes, *samples.notes(name)])

    def _labelling(self, name: str, samples: Samples) -> tuple[Labelling, list[str]]:
        labels = self._spec.labels
        unused = [f"--labels is not used for {name!r}, which has labels of its own"]
        if samples.labelled():
            return ByNumber(None, prefix=False), unused if labels else []
        if samples.foldered():
            return ByFolder(), unused if labels else []
        return ByName(read_labels(labels, self._spec.endpoint)) if labels else Unlabelled(), []


def _member(name: bytes, position: int) -> str:
    return shown(name)
