"""Images in Parquet files in the form of Hugging Face's datasets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ImageError, SourceError
from texgen.core.keys import strip_extension
from texgen.core.text import pluralize
from texgen.core.types import ImageEntry
from texgen.source.archive.source import ArchiveSource
from texgen.source.archive.split import ArchiveSplit
from texgen.source.base import OnError, map_reporting
from texgen.source.labels.rules import ArchiveImage, ByNumber, ByText, Labelling
from texgen.source.locator import Archive, Locator
from texgen.source.parquet.file import ParquetImageFile, open_parquet
from texgen.source.parquet.row_groups import GROUPS
from texgen.source.paths import member_path
from texgen.source.read_errors import check_image_size, translate_read_errors

_PathAndLabel: TypeAlias = tuple[str | None, int | str | None]

_URL = re.compile(rb"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_URL_END = re.compile(rb"::|[?#]")

_NO_BYTES = (
    "its rows hold paths of images, not the images; write it again with the images in it, or "
    "name the folder of the images"
)


class ParquetSource(ArchiveSource):
    """A folder of Parquet files, of split folders of them, one file, or a pattern of files."""

    suffix = ".parquet"
    clash_hint = "rename one, or add --keys file for keys of the file's name and the row's number"

    def read(self, entry: ImageEntry) -> bytes:
        """See `texgen.source.Source.read`."""
        locator = Locator.decode(entry.locator)
        with translate_read_errors(entry.source, locator.archive.text):
            data = GROUPS.read(self._files, locator, entry.source, self._spec.image_field)
        if data is None:
            raise ImageError("image_absent", entry.source)
        check_image_size(len(data))
        return data

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        found = map_reporting(self._open, paths, self._files.parallel, self._on_error)
        files = [file for file in found if file]
        archives = [file.archive for file in files]
        rows = _SplitRows(files, self._files.parallel)
        if any(label is not None for label in rows.labels()):
            split = self._labelled(name, archives, rows.images, self._labelling(name, files))
        else:
            split = self._unlabelled(name, archives, rows.images)
        if files and sum(file.without_bytes() for file in files) == sum(map(len, files)) > 0:
            self._on_error(SourceError(f"{archives[0].text}: {_NO_BYTES}"))
        split.notes.extend(rows.notes(name))
        return split

    def _member_text(self, name: bytes, position: int) -> str:
        return str(position)

    def _open(self, path: str, on_error: OnError) -> ParquetImageFile | None:
        archive = Archive(path, 0)
        try:
            file = self._files.open(path)
            archive = Archive(path, file.size())
            return open_parquet(file, archive, self._spec.image_field, self._spec.label_field)
        except (SourceError, OSError) as error:
            on_error(_unreadable(archive, error))
            return None

    def _labelling(self, name: str, files: Sequence[ParquetImageFile]) -> Labelling:
        if len({file.class_names for file in files}) > 1:
            message = f"the files of {name!r} name their classes differently; make them agree"
            self._on_error(SourceError(message))
        are_text = {file.labels_are_text for file in files if file.label_column}
        if len(are_text) > 1:
            message = f"the labels of {name!r} are numbers in some files and text in others"
            self._on_error(SourceError(f"{message}; make them agree"))
        if are_text.pop():
            return ByText(prefix=True)
        return ByNumber(files[0].class_names, prefix=True)


@dataclass(slots=True)
class _SplitRows:
    """The rows of a split's files, ``parallel`` of which are read at once."""

    files: Sequence[ParquetImageFile]
    parallel: int
    _urls: int = field(default=0, init=False)

    def labels(self) -> Iterator[int | str | None]:
        """The labels of all files with labels; a damaged file's up to the damage."""
        for file in self.files:
            if file.label_column:
                yield from (label for _, label in _rows(file, lambda _: None))

    def images(self, on_error: OnError) -> Iterator[ArchiveImage]:
        """The image of every row.

        Args:
            on_error: Called for each file that cannot be read.
        """
        self._urls = 0

        def read_rows(file: ParquetImageFile) -> Iterable[_PathAndLabel]:
            rows = _rows(file, on_error)
            # A thread has to read all rows. Without threads, a file's rows need not be in memory.
            return rows if self.parallel == 1 else list(rows)

        rows_of_files = ordered_map(read_rows, self.files, self.parallel)
        for number, (file, rows) in enumerate(zip(self.files, rows_of_files, strict=True)):
            base = os.fsencode(Path(file.archive.path).stem)
            for row, (path_text, label) in enumerate(rows):
                path = self._path(path_text or "")
                key = strip_extension(path) if path else base + b"_%d" % row
                known = label.encode() if isinstance(label, str) else label
                yield ArchiveImage(number, path, key, known, row, -1, file.check, b"%09d" % row)

    def notes(self, split: str) -> Iterator[str]:
        """What is ignored or fails, a sentence each."""
        if empty := sum(file.without_bytes() for file in self.files):
            yield f"{pluralize(empty, 'row')} of {split!r} without an image: failed rows"
        if self._urls:
            paths = pluralize(self._urls, "path")
            yield f"{paths} of {split!r} are URLs: only the name at the end is part of a key"
        columns = dict.fromkeys((file.label_column, file.other_labels) for file in self.files)
        for label_column, others in columns:
            if others:
                more = " and ".join(others)
                yield (
                    f"the labels of {split!r} are those of {label_column}; "
                    f"--label-field takes {more}"
                )

    def _path(self, path: str) -> bytes:
        """A row's path as a key may have it; empty where it has none."""
        as_bytes = path.encode("utf-8", "surrogateescape")
        if _URL.match(as_bytes):
            # The first part of a chained URL names the image: zip://a/b.jpg::https://host/c.zip.
            as_bytes = _URL_END.split(as_bytes, maxsplit=1)[0]
            self._urls += 1
        # An absolute path holds folders of the writer's machine, which do not belong in a key.
        elif not as_bytes.startswith(b"/") and (relative := member_path(as_bytes)):
            return relative
        return member_path(as_bytes.rpartition(b"/")[2]) or b""


def _rows(file: ParquetImageFile, on_error: OnError) -> Iterator[_PathAndLabel]:
    """The rows of a file; of a damaged file, those before the damage."""
    try:
        yield from file.rows()
    except (SourceError, OSError, ValueError, pa.ArrowException) as error:
        on_error(_unreadable(file.archive, error))


def _unreadable(archive: Archive, error: Exception) -> SourceError:
    if isinstance(error, SourceError):
        return error
    if isinstance(error, OSError) and error.strerror:
        # The storage's error; Arrow's errors have no strerror.
        return SourceError(f"cannot read {archive.text}: {error.strerror}")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError(f"cannot read {archive.text}: {reason}; fetch the file again")
