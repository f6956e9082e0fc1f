"""Photographs in WebDataset shards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source.archive.discovery import open_archives, split_files
from texgen.source.archive.reading import TarReader
from texgen.source.archive.source import ArchiveSource
from texgen.source.archive.split import ArchiveSplit
from texgen.source.base import (
    NO_LABELS,
    OnError,
    SourceSpec,
    SplitListing,
    displayable,
    raise_error,
)
from texgen.source.labels.rules import ByNumber, ByText, Labelling
from texgen.source.tar.index import tar_indexes
from texgen.source.tar.samples import WebDatasetSamples

_CLASH = (
    "rename one (a key ends at the first dot of a name), or, if they are in two archives, add "
    "--keys file for keys that begin with the archive's name"
)


class WebDatasetSource(ArchiveSource):
    """A folder of tars, a folder of split folders of tars, one tar, or a pattern of tars.

    Labels are those of the ``.cls`` files, numbers or class names. Where there are none, the
    folders in the keys are the classes, and where there are none of those either, ``--labels``
    may name them.

    Args:
        spec: Of the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.
    """

    def __init__(self, spec: SourceSpec, problem: OnError = raise_error) -> None:
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
        field = self._spec.label_field
        archives = list(open_archives(self._files, self._root, paths, self._problem))
        indexes = tar_indexes(self._files, self._root, archives, self._problem, field)
        samples = WebDatasetSamples(archives, indexes, self._spec.image_field)
        if samples.labelled():
            labelling: Labelling = (
                ByText(samples.texts, prefix=False)
                if samples.texts
                else ByNumber(None, prefix=False)
            )
            split = self._labelled(name, archives, samples.pictures(self._problem), labelling)
        else:
            self._check_unlabelled(name, samples)
            unseen = samples.pictures(lambda _: None)
            split = self._unlabelled(name, archives, unseen, samples.pictures(self._problem))
        return replace(split.with_notes(samples.notes(name)), clash=_CLASH)

    def _check_unlabelled(self, name: str, samples: WebDatasetSamples) -> None:
        field = self._spec.label_field
        if field not in (None, NO_LABELS):
            message = f"--label-field {field}: no sample of {name!r} has a label there"
            self._problem(SourceError(message))
        elif field is None and not self._spec.labels and (key := samples.json_label()):
            message = (
                f"the .json files of {name!r} hold {key!r}, which is read only if it is asked for; "
                f"add --label-field json.{key}, or --label-field {NO_LABELS}"
            )
            self._problem(SourceError(message))

    def _member(self, name: bytes, position: int) -> str:
        return displayable(name)
