"""Photographs in Parquet files in the form of Hugging Face's datasets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from texgen.ahead import map_ahead
from texgen.errors import ImageError, SourceError
from texgen.source.archive import Archive, ArchiveSplit, collect
from texgen.source.archive_source import ArchiveSource
from texgen.source.base import MAX_FILE_BYTES, SplitListing
from texgen.source.files import open_archives, split_files
from texgen.source.labelling import ByFolder, ByName, ByNumber, Labelling, Picture, Unlabelled
from texgen.source.labels import read_labels
from texgen.source.locator import Locator
from texgen.source.names import member_path, stem
from texgen.source.parquet_file import ImageFile, open_image_file
from texgen.source.reading import reading
from texgen.source.row_groups import GROUPS
from texgen.types import ImageEntry
from texgen.words import count_of

_Row: TypeAlias = tuple[str | None, int | None]
"""Path and label."""


class ParquetSource(ArchiveSource):
    """A folder of Parquet files, of split folders of them, one file, or a pattern of files.

    Args:
        spec: Of the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.
    """

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        files = split_files(
            self._files, self._spec.location, ".parquet", self._spec.selected, self._spec.layout
        )
        return self._listings(files.splits, files.notes)

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        place = Locator.decode(entry.locator)
        with reading(entry, place):
            data = GROUPS.read(self._files, self._root, place, entry.source)
        if data is None:
            raise ImageError("image_absent", entry.source)
        if len(data) > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{len(data)} bytes")
        return data

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        there = open_archives(self._files, self._root, paths, self._problem)
        opened = list(map_ahead(lambda a: (a, self._open(a)), there, self._files.parallel))
        archives = [archive for archive, file in opened if file]
        files = [file for _, file in opened if file]
        labelling, notes = self._labelling(name, files)
        split = collect(
            name,
            archives,
            self._pictures(archives, files),
            labelling,
            self._spec.taken,
            lambda _, row: str(row),
            self._problem,
        )
        if empty := sum(file.without_bytes() for file in files):
            notes.append(f"{count_of(empty, 'row')} of {name!r} without an image: failed rows")
        return split.with_notes(notes)

    def _open(self, archive: Archive) -> ImageFile | None:
        try:
            return open_image_file(self._files.open(f"{self._root}/{archive.path}"), archive.text)
        except (SourceError, OSError) as error:
            self._problem(_unreadable(archive, error))
            return None

    def _labelling(self, name: str, files: Sequence[ImageFile]) -> tuple[Labelling, list[str]]:
        labels = self._spec.labels
        notes = [f"--labels is not used for {name!r}, which has labels of its own"]
        if any(label is not None for file in files for _, label in self._rows(file)):
            names = {file.names for file in files}
            if len(names) > 1:
                message = f"the files of {name!r} name their classes differently; make them agree"
                self._problem(SourceError(message))
            return ByNumber(files[0].names, prefix=True), notes if labels else []
        if any(p and b"/" in _path(p) for file in files for p, _ in self._rows(file)):
            return ByFolder(), notes if labels else []
        return ByName(read_labels(labels, self._spec.endpoint)) if labels else Unlabelled(), []

    def _pictures(
        self, archives: Sequence[Archive], files: Sequence[ImageFile]
    ) -> Iterator[Picture]:
        parallel = self._files.parallel

        def listed(pair: tuple[Archive, ImageFile]) -> tuple[Archive, ImageFile, Iterable[_Row]]:
            rows = self._rows(pair[1], pair[0])
            # Threads must read all of it; on this machine one file may hold every row.
            return *pair, rows if parallel == 1 else list(rows)

        pairs = zip(archives, files, strict=True)
        for number, (archive, file, rows) in enumerate(map_ahead(listed, pairs, parallel)):
            base = os.fsencode(Path(archive.path).stem)
            for row, (path, label) in enumerate(rows):
                own = _path(path or "")
                key = stem(own) if own else base + b"_%d" % row
                yield Picture(number, own, key, label, row, -1, file.check)

    def _rows(self, file: ImageFile, archive: Archive | None = None) -> Iterator[_Row]:
        """Of a file that may be damaged: a problem where its ``archive`` is told."""
        try:
            yield from file.rows()
        except (OSError, ValueError, pa.ArrowException) as error:
            if archive is not None:
                self._problem(_unreadable(archive, error))


def _unreadable(archive: Archive, error: Exception) -> SourceError:
    if isinstance(error, SourceError):
        return error
    if isinstance(error, OSError) and error.strerror:
        # Of the storage. Arrow's own have none.
        return SourceError(f"cannot read {archive.text}: {error.strerror}")
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(f"cannot read {archive.text}: {why}; fetch the file again")


def _path(path: str) -> bytes:
    """A row's path as a key may have it; empty where it has none."""
    whole = path.encode("utf-8", "surrogateescape")
    # The writer's own folders say nothing here.
    if not whole.startswith(b"/") and (clean := member_path(whole)):
        return clean
    return member_path(whole.rpartition(b"/")[2]) or b""
