"""Labels of classes in archives: which names the labels have, and which labels the names get."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from texgen.core.errors import SourceError
from texgen.source.base import in_label_order
from texgen.source.paths import displayable

MAX_LABEL = (1 << 20) - 1
"""A larger label is not the index of a class."""

_MISSING_SHOWN = 3
"""Missing classes of ``--classes`` that a note names."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Labels in SRC to labels of the data set.

    Attributes:
        classes: Class names in label order.
        final: Label in SRC to label of the data set; labels of classes that are not taken are
            missing.
    """

    classes: tuple[str, ...] = ()
    final: dict[int, int] = field(default_factory=dict)


def label_map(names: Sequence[str], wanted: frozenset[str] | None) -> LabelMap:
    """The map for labels in SRC that are positions in ``names``.

    Args:
        names: Class names, all different.
        wanted: The classes of ``--classes``; None takes all.

    Raises:
        SourceError: If a class has an empty name, which no folder can have.
    """
    kept = [label for label, name in enumerate(names) if wanted is None or name in wanted]
    if "" in (names[label] for label in kept):
        message = (
            f"the class with label {names.index('')} has an empty name in SRC; "
            "name it there, or leave it out with --classes"
        )
        raise SourceError(message)
    final = {label: position for position, label in enumerate(kept)}
    return LabelMap(tuple(names[label] for label in kept), final)


class ClassNumbering:
    """Numbers class names in the order in which they first appear."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def number(self, name: bytes) -> int:
        """Number of a class."""
        return self._numbers.setdefault(name, len(self._numbers))

    def names(self) -> list[bytes]:
        """The class names by their numbers."""
        return list(self._numbers)

    def label_map(self, wanted: frozenset[str] | None) -> LabelMap:
        """The map from numbers to labels, which follow the order of the names."""
        order = sorted(self._numbers, key=os.fsdecode)
        by_position = label_map(in_label_order(order), wanted)
        final = {self._numbers[order[pos]]: label for pos, label in by_position.final.items()}
        return LabelMap(by_position.classes, final)


class FoldersByLabel:
    """Checks whether each label has one folder in keys, which is then the name of its class."""

    def __init__(self) -> None:
        self._folders: dict[int, bytes] = {}
        self._one_to_one = True
        self._largest = -1

    def add(self, label: int, folder: bytes) -> None:
        """Adds an image.

        Args:
            label: Label of the image, from 0 on.
            folder: First folder of its key; empty if the key has none.
        """
        self._largest = max(self._largest, label)
        self._one_to_one &= self._folders.setdefault(label, folder) == folder != b""

    def class_names(self) -> list[str]:
        """Names of the labels from 0 to the largest: their folders, or their numbers as text."""
        numbers = [str(label) for label in range(self._largest + 1)]
        if not self._one_to_one or len(set(self._folders.values())) < len(self._folders):
            return numbers
        names = list(numbers)
        for label, folder in self._folders.items():
            names[label] = displayable(folder)
        # A folder's name may be the number of a label that no image has.
        return names if len(set(names)) == len(names) else numbers


def class_filter_notes(
    wanted: frozenset[str] | None, present: Collection[str] | None, split: str
) -> list[str]:
    """Notes which of ``--classes`` a split lacks; empty if it has all of them.

    Args:
        wanted: The classes of ``--classes``; None takes all.
        present: Classes of the split; None if it has no labels.
        split: Name of the split.

    Raises:
        SourceError: If there are ``--classes``, and the split has no labels.
    """
    if wanted is None:
        return []
    if present is None:
        message = f"--classes: the split {split!r} has no classes; add --labels"
        raise SourceError(message)
    missing = sorted(wanted.difference(present))
    if not missing:
        return []
    first = ", ".join(map(repr, missing[:_MISSING_SHOWN]))
    more = ", …" if len(missing) > _MISSING_SHOWN else ""
    verb = "is" if len(missing) == 1 else "are"
    return [f"{len(missing)} of the --classes {verb} not in {split!r}: {first}{more}"]
