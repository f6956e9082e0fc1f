"""One pass over the manifest: failures, sizes of patches, positions of random patches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from texgen.core.keys import image_key_of
from texgen.report.position_test import Positions

# pyarrow ships no types.
ArrowBatch: TypeAlias = Any
"""A `pyarrow.RecordBatch`."""

COLUMNS = (
    "key", "width", "height", "patch_size", "random_x", "random_y", "status", "error",
)  # fmt: skip
"""All that is read."""

EXAMPLES = 3
"""Photographs that are kept of each reason."""

_REASONS = 200


@dataclass
class ManifestTally:
    """Counts over the rows of a data set; its memory does not grow with them.

    Attributes:
        rows: Seen so far.
        failures: Reason to rows.
        examples: Reason to the first photographs, as split and key.
        patch_sides: Side of the patches, px, to textures.
        short_sides: Shorter side of the photograph, px, to textures.
        positions: Of the random patches.
    """

    rows: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    patch_sides: Counter[int] = field(default_factory=Counter)
    short_sides: Counter[int] = field(default_factory=Counter)
    positions: Positions = field(default_factory=Positions)

    def add(self, split: str, batch: ArrowBatch) -> None:
        """Takes in a batch of `COLUMNS` of a split."""
        self.rows += batch.num_rows
        made = pc.equal(batch["status"], "ok")
        self._add_failures(split, batch.filter(pc.invert(made)))
        numbers = _numbers(batch.filter(made))
        _count(self.patch_sides, numbers["patch_size"])
        _count(self.short_sides, np.minimum(numbers["width"], numbers["height"]))
        self.positions.add(
            np.stack([numbers["random_x"], numbers["random_y"]], 1),
            np.stack([numbers["width"], numbers["height"]], 1) - numbers["patch_size"][:, None] + 1,
        )

    def _add_failures(self, split: str, batch: ArrowBatch) -> None:
        for key, error in zip(batch["key"].to_pylist(), batch["error"].to_pylist(), strict=True):
            # Manifests of builds have fixed reasons; one that was edited may have any number.
            reason = error or "no reason is given"
            if reason not in self.failures and len(self.failures) >= _REASONS:
                reason = "other reasons"
            self.failures[reason] += 1
            kept = self.examples.setdefault(reason, [])
            # The textures of one photograph mostly fail for one reason.
            image = (split, image_key_of(key))
            if len(kept) < EXAMPLES and image not in kept:
                kept.append(image)


def tally(batches: Iterable[tuple[str, ArrowBatch]]) -> ManifestTally:
    """The tally of all ``batches``, each with the name of its split."""
    counts = ManifestTally()
    for split, batch in batches:
        counts.add(split, batch)
    return counts


def _numbers(batch: ArrowBatch) -> Mapping[str, NDArray[np.int64]]:
    """The whole numbers of rows that have them all."""
    names = ("width", "height", "patch_size", "random_x", "random_y")
    columns = [batch[name].to_numpy(zero_copy_only=False) for name in names]
    # A null makes Arrow give floats, which only a manifest that was edited has here.
    table = np.stack([column.astype(np.float64) for column in columns], 1)
    whole = table[np.isfinite(table).all(axis=1)].astype(np.int64)
    return {name: whole[:, i] for i, name in enumerate(names)}


def _count(counter: Counter[int], values: NDArray[np.int64]) -> None:
    found, times = np.unique(values, return_counts=True)
    counter.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
