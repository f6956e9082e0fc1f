"""Rules that give images in archives their keys and labels."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import in_label_order
from texgen.source.labels.class_index import MAX_LABEL, LabelMap, label_map
from texgen.source.labels.files import Labels
from texgen.source.paths import displayable

_NO_LABEL = "has no label, unlike others of its split; give it one, or take it out"


class ArchiveImage(NamedTuple):
    """An image as an archive lists it.

    Attributes:
        file: Number of the archive.
        name: Name of the member as the archive has it.
        path: Key of the image before bytes are escaped.
        label: Label that the archive holds for the image, a number or a class name; None without
            one.
        position: See `texgen.source.archive.split.CatalogueEntry`.
        size: See `texgen.source.archive.split.CatalogueEntry`.
        check: See `texgen.source.archive.split.CatalogueEntry`.
        file_key: Key within the archive for ``--keys file``; empty for ``path``.
    """

    file: int
    name: bytes
    path: bytes
    label: int | bytes | None
    position: int
    size: int
    check: int
    file_key: bytes = b""

    @property
    def folder(self) -> bytes:
        """First folder of its path; empty without one."""
        folder, slash, _ = self.path.partition(b"/")
        return folder if slash else b""


class Labelling(abc.ABC):
    """Gives the images of a split their keys and labels.

    Classes without numbers in SRC are numbered in the order in which they first appear.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    @abc.abstractmethod
    def key_and_label(self, image: ArchiveImage) -> tuple[bytes, int | None] | None:
        """Key before bytes are escaped, and label in SRC; None if the image is ignored.

        Raises:
            SourceError: If the image has no valid label.
        """

    def label_map(self, wanted: frozenset[str] | None) -> LabelMap | None:
        """The map of the labels after the last image; None for a split without labels.

        Args:
            wanted: The classes of ``--classes``; None takes all.
        """
        order = sorted(self._numbers, key=os.fsdecode)
        by_position = label_map(in_label_order(order), wanted)
        final = {self._numbers[order[pos]]: label for pos, label in by_position.final.items()}
        return LabelMap(by_position.classes, final)

    def notes(self, split: str) -> Iterable[str]:
        """What was ignored in a split, a sentence each."""
        del split
        return ()

    def _number(self, class_name: bytes) -> int:
        return self._numbers.setdefault(class_name, len(self._numbers))


class Unlabelled(Labelling):
    """A flat split: keys are paths."""

    def key_and_label(self, image: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.key_and_label`."""
        return image.path, None

    def label_map(self, wanted: frozenset[str] | None) -> None:
        """See `Labelling.label_map`."""


class ByName(Labelling):
    """A flat split with ``--labels``: keys as in class folders.

    Args:
        labels: Classes of the images by the names of their files.
    """

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self._labels = labels

    def key_and_label(self, image: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.key_and_label`."""
        file_name = displayable(image.name.rpartition(b"/")[2])
        class_name = self._labels.class_of(file_name)
        if class_name is None:
            raise SourceError(self._labels.missing_reason(file_name))
        folder = class_name.encode()
        return folder + b"/" + image.path.rpartition(b"/")[2], self._number(folder)


class ByFolder(Labelling):
    """The first folder is the class, as with class folders on disk.

    Args:
        names: Classes of the split even if no image has them.
    """

    def __init__(self, names: Iterable[bytes] = ()) -> None:
        super().__init__()
        self._beside = 0
        for name in names:
            self._number(name)

    def key_and_label(self, image: ArchiveImage) -> tuple[bytes, int | None] | None:
        """See `Labelling.key_and_label`."""
        if not image.folder:
            self._beside += 1
            return None
        return image.path, self._number(image.folder)

    def notes(self, split: str) -> Iterable[str]:
        """See `Labelling.notes`."""
        if self._beside:
            count = pluralize(self._beside, "image")
            yield f"{count} beside the class folders of {split!r} ignored"


class ByNumber(Labelling):
    """The archive holds labels, which are numbers.

    Args:
        names: Class names of the labels from 0 on. None if the archive has no names: then the
            folders in keys are the names, if each label has one folder of its own.
        prefix: Whether a key without a folder gets the name of its class as one.
    """

    def __init__(self, names: Sequence[str] | None, *, prefix: bool) -> None:
        super().__init__()
        self._names = names
        self._folders: dict[int, bytes] = {}
        self._one_to_one = True
        self._prefix = prefix

    def key_and_label(self, image: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.key_and_label`."""
        label, path = image.label, image.path
        if not isinstance(label, int):
            raise SourceError(_NO_LABEL)
        if label < 0 or label > (MAX_LABEL if self._names is None else len(self._names) - 1):
            known = "" if self._names is None else f" of {len(self._names)} classes"
            raise SourceError(f"has the label {label}, which is not an index{known}; correct it")
        folder = self._folders.setdefault(label, image.folder)
        self._one_to_one &= folder == image.folder != b""
        if self._prefix and not image.folder:
            name = str(label) if self._names is None else self._names[label]
            path = name.encode() + b"/" + path
        return path, label

    def label_map(self, wanted: frozenset[str] | None) -> LabelMap:
        """See `Labelling.label_map`."""
        return label_map(self._names or self._folder_names(), wanted)

    def _folder_names(self) -> list[str]:
        """Names of the labels from 0 to the largest: their folders, or their numbers as text."""
        numbers = [str(label) for label in range(max(self._folders, default=-1) + 1)]
        if not self._one_to_one or len(set(self._folders.values())) < len(self._folders):
            return numbers
        names = list(numbers)
        for label, folder in self._folders.items():
            names[label] = displayable(folder)
        # A folder's name may be the number of a label that no image has.
        return names if len(set(names)) == len(names) else numbers


class ByText(Labelling):
    """The archive holds labels, which are class names.

    Args:
        prefix: Whether a key without a folder gets the name of its class as one.
    """

    def __init__(self, *, prefix: bool) -> None:
        super().__init__()
        self._prefix = prefix

    def key_and_label(self, image: ArchiveImage) -> tuple[bytes, int | None]:
        """See `Labelling.key_and_label`."""
        label, path = image.label, image.path
        if not isinstance(label, bytes):
            raise SourceError(_NO_LABEL)
        if self._prefix and not image.folder:
            path = label + b"/" + path
        return path, self._number(label)

    def notes(self, split: str) -> Iterable[str]:
        """Notes that the order of classes that are numbers is that of text, a sentence each."""
        if not all(name.isdigit() for name in self._numbers):
            return
        in_text_order, in_order = sorted(self._numbers), sorted(self._numbers, key=int)
        for text, number in zip(in_text_order, in_order, strict=True):
            if text != number:
                yield (
                    f"the labels of {split!r} are text, and classes have the order of text: "
                    f"{text.decode()!r} comes before {number.decode()!r}"
                )
                return
