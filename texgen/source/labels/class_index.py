"""Labels of classes in archives: which names the labels have, and which labels the names get."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from texgen.core.errors import SourceError

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

    classes: tuple[str, ...]
    final: dict[int, int]


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
        raise SourceError(
            f"the class with label {names.index('')} has an empty name in SRC; "
            "name it there, or leave it out with --classes"
        )
    final = {label: position for position, label in enumerate(kept)}
    return LabelMap(tuple(names[label] for label in kept), final)


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
        raise SourceError(f"--classes: the split {split!r} has no classes; add --labels")
    missing = sorted(wanted.difference(present))
    if not missing:
        return []
    first = ", ".join(map(repr, missing[:_MISSING_SHOWN]))
    more = ", …" if len(missing) > _MISSING_SHOWN else ""
    verb = "is" if len(missing) == 1 else "are"
    return [f"{len(missing)} of the --classes {verb} not in {split!r}: {first}{more}"]
