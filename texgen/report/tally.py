"""Counts over the manifest: failures, sizes of patches, positions of random patches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from texgen.core.keys import image_key_of
from texgen.report.position_test import PositionCounts

ArrowBatch: TypeAlias = Any
"""A `pyarrow.RecordBatch`; pyarrow ships no types."""

TALLY_COLUMNS = (
    "key", "width", "height", "patch_size", "random_x", "random_y", "status", "error",
)  # fmt: skip
"""Columns that are read."""

EXAMPLES = 3
"""Number of images that are kept as examples of each reason."""

_MAX_REASONS = 200
"""Most reasons that are counted apart; manifests that were edited may have any number."""


@dataclass
class ManifestTally:
    """Counts over the rows of a data set; its memory does not grow with their number.

    Attributes:
        rows: Number of rows so far.
        failures: Number of rows by the reason of their failure.
        examples: First images of each reason, as split and key.
        patch_sides: Number of textures by the side of the patches, px.
        short_sides: Number of textures by the shorter side of the image, px.
        positions: Positions of the random patches.
    """

    rows: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    patch_sides: Counter[int] = field(default_factory=Counter)
    short_sides: Counter[int] = field(default_factory=Counter)
    positions: PositionCounts = field(default_factory=PositionCounts)

    def add(self, split: str, batch: ArrowBatch) -> None:
        """Counts a batch of `TALLY_COLUMNS` of a split."""
        self.rows += batch.num_rows
        made = pc.equal(batch["status"], "ok")
        self._add_failures(split, batch.filter(pc.invert(made)))
        numbers = _numbers(batch.filter(made))
        self.patch_sides.update(numbers["patch_size"].tolist())
        self.short_sides.update(np.minimum(numbers["width"], numbers["height"]).tolist())
        self.positions.add(
            np.stack([numbers["random_x"], numbers["random_y"]], 1),
            np.stack([numbers["width"], numbers["height"]], 1) - numbers["patch_size"][:, None] + 1,
        )

    def _add_failures(self, split: str, batch: ArrowBatch) -> None:
        for key, error in zip(batch["key"].to_pylist(), batch["error"].to_pylist(), strict=True):
            reason = error or "no reason is given"
            if reason not in self.failures and len(self.failures) >= _MAX_REASONS:
                reason = "other reasons"
            self.failures[reason] += 1
            examples = self.examples.setdefault(reason, [])
            # The textures of one image mostly fail for the same reason, and are one example.
            image = (split, image_key_of(key))
            if len(examples) < EXAMPLES and image not in examples:
                examples.append(image)


def _numbers(batch: ArrowBatch) -> Mapping[str, NDArray[np.int64]]:
    """Integers of the rows that have all of them."""
    names = ("width", "height", "patch_size", "random_x", "random_y")
    columns = [batch[name].to_numpy(zero_copy_only=False) for name in names]
    # Arrow gives floats for a column with nulls, which only a manifest that was edited has.
    table = np.stack([column.astype(np.float64) for column in columns], 1)
    complete = table[np.isfinite(table).all(axis=1)].astype(np.int64)
    return {name: complete[:, i] for i, name in enumerate(names)}
