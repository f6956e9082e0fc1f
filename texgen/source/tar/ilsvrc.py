"""The official tars of ILSVRC-2012, read in place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.source.archive.discovery import open_archives
from texgen.source.archive.split import ArchiveSplit, collect
from texgen.source.base import (
    SplitListing,
    check_selected,
    is_image_name,
)
from texgen.source.labels.files import read_labels
from texgen.source.labels.rules import ArchiveImage, ByFolder, ByName, Labelling, Unlabelled
from texgen.source.member_names import member_path, stem
from texgen.source.tar.index import INSIDE, ignored, index_rows, tar_index
from texgen.source.tar.reader import TarSource
from texgen.storage.filesystem import list_folder

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_SPLITS = {"train": TRAIN, "val": VAL}
KITS = ("ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_devkit_t12.tar", "ILSVRC2012_devkit_t12")
CLASS_TAR = re.compile(rb"n[0-9]{8}\.tar")
_ROWS = 1 << 13


class IlsvrcSource(TarSource):
    """``ILSVRC2012_img_train.tar``, a tar of a tar for each class, and the flat ``…_val.tar``.

    Labels of the latter are those of ``--labels``, or of the development kit beside it.

    Args:
        spec: Of the source; its location is the folder of the tars, or one of them.
        problem: Called with each thing that a build would end at; without it the first
            one is raised.
    """

    def splits(self) -> tuple[SplitListing, ...]:
        """See `texgen.source.Source.splits`."""
        present, notes = self._present()
        check_selected(self._spec.selected, present)
        wanted = self._spec.selected or tuple(present)
        return self._listings({n: [tar] for n, tar in present.items() if n in wanted}, notes)

    def _present(self) -> tuple[dict[str, str], list[str]]:
        """Split to tar, and notes on what else is there."""
        place = self._spec.location
        own = place.rpartition("/")[2]
        if own in _SPLITS.values():
            return {name: tar for name, tar in _SPLITS.items() if tar == own}, []
        try:
            files, _ = list_folder(self._files, self._root)
        except OSError as error:
            message = f"cannot list {self._root}: {error.strerror}"
            raise SourceError(message) from error
        found = {name: tar for name, tar in _SPLITS.items() if tar in files}
        if not found or place != self._root:
            message = f"--src {place}: expected {TRAIN} or {VAL}, or the folder that holds them"
            raise SourceError(message)
        kits = {*found.values(), *KITS}
        others = [name for name in files if name.endswith(".tar") and name not in kits]
        return found, [f"{name} is none of ILSVRC-2012's tars and is ignored" for name in others]

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        (path,) = paths
        archives = list(open_archives(self._files, self._root, [path], self._problem))
        nested = name == "train"
        full = f"{self._root}/{path}"
        index = tar_index(self._files, full, path, self._problem, nested=nested)
        if nested:
            tars = (n for n in _names(index) if INSIDE not in n and n.endswith(b".tar"))
            labelling: Labelling = ByFolder(map(_class_of, tars))
        else:
            labels = self._spec.labels or self._kit()
            labelling = ByName(read_labels(labels, self._spec.endpoint)) if labels else Unlabelled()
        notes = list(_notes(index, name, nested=nested))
        if nested and self._spec.labels:
            notes.append(f"--labels is not used for {name!r}, which has classes of its own")
        pictures = _pictures(index, nested=nested)
        split = collect(
            self._spec, name, archives, pictures, labelling, self._member, self._problem
        )
        return split.with_notes(notes)

    def _kit(self) -> str | None:
        """The development kit in SRC."""
        files, folders = list_folder(self._files, self._root)
        return next((f"{self._root}/{kit}" for kit in KITS if kit in (*files, *folders)), None)


def _class_of(tar: bytes) -> bytes:
    return stem(tar.rpartition(b"/")[2])


def _pictures(index: ArrowTable, *, nested: bool) -> Iterator[ArchiveImage]:
    for row in index_rows(index):
        outer, inside, inner = row.name.rpartition(INSIDE)
        path = member_path(inner)
        if path is None or not is_image_name(path) or nested != bool(inside):
            continue
        folder = _class_of(outer) + b"/" if inside else b""
        yield ArchiveImage(0, row.name, folder + stem(path), None, row.offset, row.size, row.check)


def _names(index: ArrowTable) -> Iterator[bytes]:
    for batch in index.select(["name"]).to_batches(max_chunksize=_ROWS):
        yield from batch.column("name").to_pylist()


def _notes(index: ArrowTable, split: str, *, nested: bool) -> Iterator[str]:
    if nested:
        lone = sum(INSIDE not in name and not name.endswith(b".tar") for name in _names(index))
        if lone:
            yield f"{pluralize(lone, 'file')} beside the class tars of {split!r} ignored"
    if others := ignored([index]):
        yield f"{others} in the tar of {split!r} ignored"
