"""How photographs in archives come to their keys and labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.labels.class_index import (
    MAX_LABEL,
    ClassNumbering,
    FoldersByLabel,
    LabelMap,
    label_map,
)
from texgen.source.labels.files import Labels
from texgen.source.paths import displayable

_NO_LABEL = "has no label, unlike others of its split; give it one, or take it out"


class ArchiveImage(NamedTuple):
    """A photograph as an archive tells of it.

    Attributes:
        file: Number of the archive.
        name: Of the member, as it is there.
        path: Its key before bytes are escaped.
        label: Written beside it; None without one.
        position: See `texgen.source.archive.catalogue.CatalogueEntry`, and so the next two.
        size: Bytes.
        check: Of the archive.
        place: Its path or number among those of its archive, for keys by ``--keys file``.
    """

    file: int
    name: bytes
    path: bytes
    label: int | None
    position: int
    size: int
    check: int
    place: bytes = b""

    @property
    def folder(self) -> bytes:
        """First folder of its path, empty without one."""
        folder, slash, _ = self.path.partition(b"/")
        return folder if slash else b""


class Labelling(Protocol):
    """Gives photographs of a split their keys and labels."""

    def place(self, picture: ArchiveImage) -> tuple[bytes, int | None] | None:
        """Key before bytes are escaped, and label as found; None where it is ignored.

        Raises:
            SourceError: If it has no such label.
        """
        ...

    def label_map(self, taken: frozenset[str] | None) -> LabelMap | None:
        """After the last photograph: what becomes of the labels; None without labels."""
        ...

    def notes(self, split: str) -> Iterable[str]:
        """What was ignored, a sentence each."""
        ...


class Unlabelled:
    """A flat split: keys as they are."""

    def place(self, picture: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.place`."""
        return picture.path, None

    def label_map(self, taken: frozenset[str] | None) -> None:
        """See `Labelling.label_map`."""

    def notes(self, split: str) -> Iterable[str]:
        """See `Labelling.notes`."""
        return ()


class ByName:
    """A flat split with ``--labels``: keys as in class folders."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._names = ClassNumbering()

    def place(self, picture: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.place`."""
        file_name = picture.name.rpartition(b"/")[2]
        class_name = self._labels.of(displayable(file_name))
        if class_name is None:
            raise SourceError(self._labels.fault(displayable(file_name)))
        folder = class_name.encode()
        return folder + b"/" + picture.path.rpartition(b"/")[2], self._names.number(folder)

    def label_map(self, taken: frozenset[str] | None) -> LabelMap:
        """See `Labelling.label_map`."""
        return self._names.label_map(taken)

    def notes(self, split: str) -> Iterable[str]:
        """See `Labelling.notes`."""
        return ()


class ByFolder:
    """The first folder is the class, as in class folders on disk.

    Args:
        names: Classes that are there even if no photograph is.
    """

    def __init__(self, names: Iterable[bytes] = ()) -> None:
        self._names = ClassNumbering()
        self._beside = 0
        for name in names:
            self._names.number(name)

    def place(self, picture: ArchiveImage) -> tuple[bytes, int | None] | None:
        """See `Labelling.place`."""
        if not picture.folder:
            self._beside += 1
            return None
        return picture.path, self._names.number(picture.folder)

    def label_map(self, taken: frozenset[str] | None) -> LabelMap:
        """See `Labelling.label_map`."""
        return self._names.label_map(taken)

    def notes(self, split: str) -> Iterable[str]:
        """See `Labelling.notes`."""
        if self._beside:
            what = pluralize(self._beside, "image")
            yield f"{what} beside the class folders of {split!r} ignored"


class ByNumber:
    """Labels are written beside the photographs.

    Args:
        names: Of the labels from 0 on; None where nothing names them: then the folders in
            keys do, if each label has one of its own.
        prefix: Whether a key without a folder gets that of its class.
    """

    def __init__(self, names: Sequence[str] | None, *, prefix: bool) -> None:
        self._names = names
        self._folders = FoldersByLabel()
        self._prefix = prefix

    def place(self, picture: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.place`."""
        label, path = picture.label, picture.path
        if label is None:
            raise SourceError(_NO_LABEL)
        if label < 0 or label > (MAX_LABEL if self._names is None else len(self._names) - 1):
            known = "" if self._names is None else f" of {len(self._names)} classes"
            message = f"has the label {label}, which is no index{known}; correct it"
            raise SourceError(message)
        self._folders.add(label, picture.folder)
        if self._prefix and not picture.folder:
            name = str(label) if self._names is None else self._names[label]
            path = name.encode() + b"/" + path
        return path, label

    def label_map(self, taken: frozenset[str] | None) -> LabelMap:
        """See `Labelling.label_map`."""
        return label_map(self._names or self._folders.names(), taken)

    def notes(self, split: str) -> Iterable[str]:
        """See `Labelling.notes`."""
        return ()


class TextLabels:
    """Numbers labels that are class names, in the order in which they are met."""

    def __init__(self) -> None:
        self.classes = ClassNumbering()
        self._order: list[bytes] = []

    def number(self, name: bytes | None) -> int | None:
        """A class name's number; None for None."""
        if name is None:
            return None
        number = self.classes.number(name)
        if number == len(self._order):
            self._order.append(name)
        return number

    def name(self, number: int) -> bytes:
        """The class name of a number."""
        return self._order[number]

    def notes(self, split: str) -> Iterable[str]:
        """What people may not expect of the order of classes, a sentence each."""
        if not all(name.isdigit() for name in self._order):
            return
        for one, other in zip(sorted(self._order), sorted(self._order, key=int), strict=True):
            if one != other:
                yield (
                    f"the labels of {split!r} are text, and classes have the order of text: "
                    f"{one.decode()!r} comes before {other.decode()!r}"
                )
                return


class ByText:
    """Labels written beside the photographs are class names, as `TextLabels` numbers them.

    Args:
        texts: Numbers the names.
        prefix: Whether a key without a folder gets that of its class.
    """

    def __init__(self, texts: TextLabels, *, prefix: bool) -> None:
        self._texts = texts
        self._prefix = prefix

    def place(self, picture: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.place`."""
        if picture.label is None:
            raise SourceError(_NO_LABEL)
        path = picture.path
        if self._prefix and not picture.folder:
            path = self._texts.name(picture.label) + b"/" + path
        return path, picture.label

    def label_map(self, taken: frozenset[str] | None) -> LabelMap:
        """See `Labelling.label_map`."""
        return self._texts.classes.label_map(taken)

    def notes(self, split: str) -> Iterable[str]:
        """See `Labelling.notes`."""
        return self._texts.notes(split)
