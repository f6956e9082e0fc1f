"""The official tars of ILSVRC-2012, read in place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from texgen.core.errors import SourceError
from texgen.core.keys import strip_extension
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.source.archive.split import ArchiveSplit
from texgen.source.base import is_image_name, select_splits
from texgen.source.labels.files import read_labels
from texgen.source.labels.rules import ArchiveImage, ByFolder, ByName, Labelling, Unlabelled
from texgen.source.paths import member_path
from texgen.source.read_errors import listing_error
from texgen.source.tar.index import INDEX_SCHEMA, INSIDE, ignored, index_rows, tar_index
from texgen.source.tar.reader import TarSource
from texgen.storage.store import list_folder

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_SPLITS = {"train": TRAIN, "val": VAL}
KITS = ("ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_devkit_t12.tar", "ILSVRC2012_devkit_t12")
CLASS_TAR = re.compile(rb"n[0-9]{8}\.tar")
_ROWS_AT_ONCE = 1 << 13


class IlsvrcSource(TarSource):
    """``ILSVRC2012_img_train.tar``, a tar of a tar for each class, and the flat ``…_val.tar``.

    SRC is the folder of the tars, or one tar. The labels of ``…_val.tar`` come from ``--labels``,
    or from the development kit beside it.
    """

    def _find_archives(self) -> tuple[dict[str, list[str]], list[str]]:
        location = self._spec.location
        file_name = location.rpartition("/")[2]
        others = list[str]()
        if file_name in _SPLITS.values():
            present = [file_name]
        else:
            files, _ = self._list_root()
            present = [tar for tar in _SPLITS.values() if tar in files]
            known = {*present, *KITS}
            others = [name for name in files if name.endswith(".tar") and name not in known]
            if not present or self._kind != "folder":
                expected = f"expected {TRAIN} or {VAL}, or the folder that holds them"
                raise SourceError(f"--src {location}: {expected}")
        splits = {name: [tar] for name, tar in _SPLITS.items() if tar in present}
        notes = [f"{name} is none of ILSVRC-2012's tars and is ignored" for name in others]
        return select_splits(self._spec.selected, splits), notes

    def _list_root(self) -> tuple[list[str], list[str]]:
        try:
            return list_folder(self._files, "")
        except OSError as error:
            raise listing_error(self._files.place(), error) from error

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        nested = name == "train"
        archives = self._open_archives(paths)
        indexes = [tar_index(self._files, a, self._on_error, nested=nested) for a in archives]
        index = indexes[0] if indexes else INDEX_SCHEMA.empty_table()
        if nested:
            tars = (n for n in _names(index) if INSIDE not in n and n.endswith(b".tar"))
            labelling: Labelling = ByFolder(map(_class_of, tars))
        else:
            labels = self._spec.labels or self._kit()
            labelling = ByName(read_labels(labels, self._spec.endpoint)) if labels else Unlabelled()
        split = self._collect(name, archives, _images(index, nested=nested), labelling)
        split.notes.extend(_notes(index, name, nested=nested))
        if nested and self._spec.labels:
            split.notes.append(f"--labels is not used for {name!r}, which has classes of its own")
        return split

    def _kit(self) -> str | None:
        """Path of the development kit in SRC."""
        files, folders = self._list_root()
        return next((self._files.place(kit) for kit in KITS if kit in (*files, *folders)), None)


def _class_of(tar: bytes) -> bytes:
    return strip_extension(tar.rpartition(b"/")[2])


def _images(index: ArrowTable, *, nested: bool) -> Iterator[ArchiveImage]:
    for row in index_rows(index):
        outer, inside, inner = row.name.rpartition(INSIDE)
        path = member_path(inner)
        if path is None or not is_image_name(path) or nested != bool(inside):
            continue
        folder = _class_of(outer) + b"/" if inside else b""
        yield ArchiveImage(
            0, row.name, folder + strip_extension(path), None, row.offset, row.size, row.check
        )


def _names(index: ArrowTable) -> Iterator[bytes]:
    for batch in index.select(["name"]).to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from batch.column("name").to_pylist()


def _notes(index: ArrowTable, split: str, *, nested: bool) -> Iterator[str]:
    if nested:
        lone = sum(INSIDE not in name and not name.endswith(b".tar") for name in _names(index))
        if lone:
            yield f"{pluralize(lone, 'file')} beside the class tars of {split!r} ignored"
    if members := ignored([index]):
        yield f"{members} in the tar of {split!r} ignored"
