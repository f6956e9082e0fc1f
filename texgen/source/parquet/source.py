"""Photographs in Parquet files in the form of Hugging Face's datasets."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ImageError, SourceError
from texgen.core.text import pluralize
from texgen.core.types import ImageEntry
from texgen.source.archive.discovery import open_archives
from texgen.source.archive.read_errors import reading
from texgen.source.archive.source import ArchiveSource
from texgen.source.archive.split import Archive, ArchiveSplit
from texgen.source.base import MAX_FILE_BYTES, OnError
from texgen.source.labels.rules import ArchiveImage, ByNumber, ByText, Labelling, TextLabels
from texgen.source.locator import Locator
from texgen.source.member_names import member_path, stem
from texgen.source.parquet.file import ImageFile, open_image_file
from texgen.source.parquet.row_groups import GROUPS

_Row: TypeAlias = tuple[str | None, int | str | None]
"""Path and label."""

_URL = re.compile(rb"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_URL_END = re.compile(rb"::|[?#]")

_NO_BYTES = (
    "its rows hold paths of images, not the images; write it again with the images in it, or "
    "name the folder of the images"
)
_CLASH = "rename one, or add --keys file for keys of the file's name and the row's number"


class ParquetSource(ArchiveSource):
    """A folder of Parquet files, of split folders of them, one file, or a pattern of files.

    Args:
        spec: Of the source.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.
    """

    suffix = ".parquet"

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        place = Locator.decode(entry.locator)
        with reading(entry, place):
            field = self._spec.image_field
            data = GROUPS.read(self._files, self._root, place, entry.source, field)
        if data is None:
            raise ImageError("image_absent", entry.source)
        if len(data) > MAX_FILE_BYTES:
            raise ImageError("image_file_too_large", f"{len(data)} bytes")
        return data

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        there = open_archives(self._files, self._root, paths, self._problem)
        opened = list(ordered_map(lambda a: (a, self._open(a)), there, self._files.parallel))
        archives = [archive for archive, file in opened if file]
        files = [file for _, file in opened if file]
        rows = _Rows(archives, files, self._files.parallel)
        if any(label is not None for label in rows.labels()):
            labelling, texts = self._labelling(name, files)
            pictures = rows.pictures(self._problem, texts)
            split = self._labelled(name, archives, pictures, labelling)
        else:
            unseen = rows.pictures(lambda _: None)
            split = self._unlabelled(name, archives, unseen, rows.pictures(self._problem))
        if files and sum(file.without_bytes() for file in files) == sum(map(len, files)) > 0:
            self._problem(SourceError(f"{archives[0].text}: {_NO_BYTES}"))
        return replace(split.with_notes(rows.notes(name)), clash=_CLASH)

    def _member(self, name: bytes, position: int) -> str:
        return str(position)

    def _open(self, archive: Archive) -> ImageFile | None:
        spec = self._spec
        try:
            file = self._files.open(f"{self._root}/{archive.path}")
            return open_image_file(file, archive.text, spec.image_field, spec.label_field)
        except (SourceError, OSError) as error:
            self._problem(_unreadable(archive, error))
            return None

    def _labelling(
        self, name: str, files: Sequence[ImageFile]
    ) -> tuple[Labelling, TextLabels | None]:
        if len({file.names for file in files}) > 1:
            message = f"the files of {name!r} name their classes differently; make them agree"
            self._problem(SourceError(message))
        texts = {file.labels_are_text for file in files if file.label}
        if len(texts) > 1:
            message = f"the labels of {name!r} are numbers in some files and text in others"
            self._problem(SourceError(f"{message}; make them agree"))
        if not texts.pop():
            return ByNumber(files[0].names, prefix=True), None
        found = TextLabels()
        return ByText(found, prefix=True), found


class _Rows:
    """The rows of a split's files.

    Args:
        archives: The files.
        files: The same, opened.
        parallel: Files that are worth reading at once.
    """

    def __init__(
        self, archives: Sequence[Archive], files: Sequence[ImageFile], parallel: int
    ) -> None:
        self._archives = archives
        self._files = files
        self._parallel = parallel
        self._urls = 0

    def labels(self) -> Iterator[int | str | None]:
        """The labels of files that have some; of a damaged file those that can be read."""
        for file in self._files:
            with contextlib.suppress(SourceError, OSError, ValueError, pa.ArrowException):
                if file.label:
                    yield from (label for _, label in file.rows())

    def pictures(self, problem: OnError, texts: TextLabels | None = None) -> Iterator[ArchiveImage]:
        """Every row.

        Args:
            problem: Called with each file that cannot be read.
            texts: Numbers labels that are text; None where labels are numbers.
        """
        self._urls = 0

        def listed(pair: tuple[Archive, ImageFile]) -> tuple[Archive, ImageFile, Iterable[_Row]]:
            rows = _rows(*pair, problem)
            # Threads must read all of it; on this machine one file may hold every row.
            return *pair, rows if self._parallel == 1 else list(rows)

        pairs = zip(self._archives, self._files, strict=True)
        for number, (archive, file, rows) in enumerate(ordered_map(listed, pairs, self._parallel)):
            base = os.fsencode(Path(archive.path).stem)
            for row, (path, written) in enumerate(rows):
                own = self._path(path or "")
                key = stem(own) if own else base + b"_%d" % row
                text = written.encode() if isinstance(written, str) else None
                label = texts.number(text) if texts else _whole(written)
                yield ArchiveImage(number, own, key, label, row, -1, file.check, b"%09d" % row)

    def notes(self, split: str) -> Iterator[str]:
        """What is not as it looks, a sentence each."""
        if empty := sum(file.without_bytes() for file in self._files):
            yield f"{pluralize(empty, 'row')} of {split!r} without an image: failed rows"
        if self._urls:
            what = pluralize(self._urls, "path")
            yield f"{what} of {split!r} are URLs: only the name at the end is part of a key"
        for label, others in dict.fromkeys((file.label, file.others) for file in self._files):
            if others:
                more = " and ".join(others)
                yield f"the labels of {split!r} are those of {label}; --label-field takes {more}"

    def _path(self, path: str) -> bytes:
        """A row's path as a key may have it; empty where it has none."""
        whole = path.encode("utf-8", "surrogateescape")
        if _URL.match(whole):
            # Of a file in an archive, the first of two: zip://a/b.jpg::https://host/c.zip.
            whole = _URL_END.split(whole, maxsplit=1)[0]
            self._urls += 1
        # The writer's own folders say nothing here.
        elif not whole.startswith(b"/") and (clean := member_path(whole)):
            return clean
        return member_path(whole.rpartition(b"/")[2]) or b""


def _rows(archive: Archive, file: ImageFile, problem: OnError) -> Iterator[_Row]:
    try:
        yield from file.rows()
    except (SourceError, OSError, ValueError, pa.ArrowException) as error:
        problem(_unreadable(archive, error))


def _whole(label: int | str | None) -> int | None:
    return None if isinstance(label, str) else label


def _unreadable(archive: Archive, error: Exception) -> SourceError:
    if isinstance(error, SourceError):
        return error
    if isinstance(error, OSError) and error.strerror:
        # Of the storage. Arrow's own have none.
        return SourceError(f"cannot read {archive.text}: {error.strerror}")
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(f"cannot read {archive.text}: {why}; fetch the file again")
