"""The samples of WebDataset shards: files of one key that lie side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow.compute as pc

from texgen.errors import SourceError
from texgen.source.archive import Archive
from texgen.source.base import Problem, is_image_name, shown
from texgen.source.labelling import Picture
from texgen.source.names import member_path
from texgen.source.tar_index import SCHEMA, ignored
from texgen.types import ArrowTable
from texgen.words import count_of

_ROWS = 1 << 13
_NUMBER = re.compile(rb"\s*(-?[0-9]{1,18})\s*")


class _File(NamedTuple):
    """A row of a tar's index."""

    name: bytes
    offset: int
    size: int
    check: int
    label: bytes | None


@dataclass(slots=True)
class Samples:
    """The samples of a split's tars.

    Args:
        archives: The tars.
        indexes: Of each.
    """

    archives: Sequence[Archive]
    indexes: Sequence[ArrowTable]
    _without: int = field(default=0, init=False)

    def labelled(self) -> bool:
        """Whether any sample has a label, or what should be one."""
        none = {None, b"-1", b"-1\n"}
        return any(set(pc.unique(i["label"]).to_pylist()) - none for i in self.indexes)

    def foldered(self) -> bool:
        """Whether any image's key has a folder."""
        return any(picture.folder for picture in self.pictures(lambda _: None))

    def pictures(self, problem: Problem) -> Iterator[Picture]:
        """The image of every sample; a second one, or what is no label, is a problem."""
        self._without = 0
        for number, index in enumerate(self.indexes):
            for key, files in _groups(_files(index)):
                images = [file for file in files if is_image_name(_extension(file.name))]
                if not images:
                    self._without += 1
                    continue
                for other in images[1:]:
                    both = f"{self._source(number, images[0])} and {self._source(number, other)}"
                    what = f"{both} are images of one sample ({shown(key)}); keep one of them"
                    problem(SourceError(what))
                try:
                    label = next((_label(f.label) for f in files if f.label is not None), None)
                except ValueError:
                    what = f"the .cls beside {self._source(number, images[0])} is no label"
                    problem(SourceError(f"{what}; it must hold a number from 0 on"))
                    continue
                name, offset, size, check, _ = images[0]
                yield Picture(number, name, key, label, offset, size, check)

    def notes(self, split: str) -> Iterator[str]:
        """What was ignored, a sentence each."""
        if self._without:
            yield f"{count_of(self._without, 'sample')} of {split!r} without an image ignored"
        if others := sum(map(ignored, self.indexes)):
            yield f"{others} links, devices or sparse files in the tars of {split!r} ignored"

    def _source(self, number: int, file: _File) -> str:
        return f"{self.archives[number].text}!{shown(file.name)}"


def _files(index: ArrowTable) -> Iterator[_File]:
    for batch in index.to_batches(max_chunksize=_ROWS):
        columns = (batch.column(name).to_pylist() for name in SCHEMA.names)
        yield from map(_File._make, zip(*columns, strict=True))


def _groups(files: Iterable[_File]) -> Iterator[tuple[bytes, list[_File]]]:
    """Key and files of each sample."""
    last, group = None, list[_File]()
    for file in files:
        path = member_path(file.name)
        if path is None:
            continue
        key = _key(path)
        if key != last and group:
            yield last or b"", group
            group = []
        last = key
        group.append(file)
    if group:
        yield last or b"", group


def _key(path: bytes) -> bytes:
    """The path up to the first dot of its last step: WebDataset's rule."""
    folder, slash, name = path.rpartition(b"/")
    return folder + slash + name.partition(b".")[0]


def _extension(name: bytes) -> bytes:
    return b"." + name.rpartition(b"/")[2].partition(b".")[2]


def _label(data: bytes | None) -> int | None:
    """A ``.cls`` file's number; None for -1, which stands for no label.

    Raises:
        ValueError: If it holds something else.
    """
    if data is None:
        return None
    match = _NUMBER.fullmatch(data)
    if match is None:
        raise ValueError
    number = int(match[1])
    if number < -1:
        raise ValueError
    return None if number == -1 else number
