"""Classes of photographs in archives: names of labels, and labels of names."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from texgen.core.errors import SourceError
from texgen.source.base import in_label_order
from texgen.source.paths import displayable

MAX_LABEL = (1 << 20) - 1
"""A larger label is no index of a class."""

_SHOWN = 3
"""Classes of ``--classes`` that a note names."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Labels as found to those of the data set.

    Attributes:
        classes: Class names in label order.
        final: Label as found to label; one that is not there is of no class that is taken.
    """

    classes: tuple[str, ...] = ()
    final: dict[int, int] = field(default_factory=dict)


def label_map(names: Sequence[str], taken: frozenset[str] | None) -> LabelMap:
    """The map where the label as found is a position in ``names``.

    Args:
        names: Class names, all different.
        taken: Those of ``--classes``, None for all.

    Raises:
        SourceError: If a class has an empty name, which no folder can have.
    """
    kept = [label for label, name in enumerate(names) if taken is None or name in taken]
    if "" in (names[label] for label in kept):
        message = (
            f"the class with label {names.index('')} has an empty name in SRC; "
            "name it there, or leave it out with --classes"
        )
        raise SourceError(message)
    final = {label: position for position, label in enumerate(kept)}
    return LabelMap(tuple(names[label] for label in kept), final)


class ClassNumbering:
    """Numbers class names in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def number(self, name: bytes) -> int:
        """Number of a class."""
        return self._numbers.setdefault(name, len(self._numbers))

    def label_map(self, taken: frozenset[str] | None) -> LabelMap:
        """The map from numbers to labels, which follow the order of the names."""
        order = sorted(self._numbers, key=os.fsdecode)
        found = label_map(in_label_order(order), taken)
        final = {
            self._numbers[name]: found.final[position]
            for position, name in enumerate(order)
            if position in found.final
        }
        return LabelMap(found.classes, final)


class FoldersByLabel:
    """Finds out whether the folders in keys are the names of labels."""

    def __init__(self) -> None:
        self._folders: dict[int, bytes] = {}
        self._one_to_one = True
        self._largest = -1

    def add(self, label: int, folder: bytes) -> None:
        """Takes a photograph's label and the first folder of its key, empty without one."""
        self._largest = max(self._largest, label)
        self._one_to_one &= self._folders.setdefault(label, folder) == folder != b""

    def names(self) -> list[str]:
        """Names of the labels from 0 to the largest: its folder, or else its number as text."""
        folders = self._folders.values()
        by_folder = self._one_to_one and len(set(folders)) == len(folders)
        names = [str(label) for label in range(self._largest + 1)]
        for label, folder in self._folders.items() if by_folder else ():
            names[label] = displayable(folder)
        if len(set(names)) < len(names):
            # A folder is called like the number of a label that no photograph has.
            return [str(label) for label in range(self._largest + 1)]
        return names


def classes_notes(taken: frozenset[str] | None, labels: LabelMap | None, split: str) -> list[str]:
    """What there is to say of ``--classes`` in a split, a sentence each.

    Raises:
        SourceError: If the split has no classes at all.
    """
    if taken is None:
        return []
    if labels is None:
        message = f"--classes: the split {split!r} has no classes; add --labels"
        raise SourceError(message)
    return missing_note(taken, labels.classes, split)


def missing_note(taken: frozenset[str] | None, there: Collection[str], split: str) -> list[str]:
    """Says which of ``--classes`` a split lacks; nothing where it has them all."""
    missing = sorted((taken or frozenset()).difference(there))
    if not missing:
        return []
    first = ", ".join(repr(one) for one in missing[:_SHOWN])
    more = ", …" if len(missing) > _SHOWN else ""
    verb = "is" if len(missing) == 1 else "are"
    return [f"{len(missing)} of the --classes {verb} not in {split!r}: {first}{more}"]
