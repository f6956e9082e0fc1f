"""Times of a build, from the records under ``_build``."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from texgen.core.errors import StorageError
from texgen.core.layout import record_path, shard_name
from texgen.core.types import ShardRecord
from texgen.dataset.index import Index
from texgen.dataset.records import read_shard_record
from texgen.storage import Sink

_PARTS = ("decode", "schedule", "load", "synthesis", "encoding")


@dataclass(frozen=True, slots=True)
class Times:
    """Wall clock of a build's shards.

    Attributes:
        shards: (N,) seconds that each shard took, in order.
        names: Names of those shards.
        parts: Seconds of all shards by the part of the work.
        textures: Number of textures in those shards.
        missing: Number of shards without an intact record of this data set.
    """

    shards: NDArray[np.float64]
    names: list[str]
    parts: dict[str, float]
    textures: int
    missing: int

    @property
    def rest_s(self) -> float:
        """Seconds in no part; 0 if parts that ran in parallel add up to more than the shards."""
        return max(0.0, float(self.shards.sum()) - sum(self.parts.values()))


def read_times(sink: Sink, index: Index) -> Times | None:
    """Reads the times of a data set; None if no records of it are left."""
    seconds: list[float] = []
    names: list[str] = []
    parts = dict.fromkeys(_PARTS, 0.0)
    textures = missing = 0
    for name, split in sorted(index.splits.items()):
        for number in range(len(split.shards)):
            record = _record(sink, name, number, index.fingerprint)
            if record is None:
                missing += 1
                continue
            timings = asdict(record.timings)
            seconds.append(timings["total_s"])
            names.append(shard_name(name, number))
            textures += record.samples
            for part in _PARTS:
                parts[part] += timings[f"{part}_s"]
    return Times(np.array(seconds), names, parts, textures, missing) if seconds else None


def _record(sink: Sink, split: str, number: int, fingerprint: str) -> ShardRecord | None:
    try:
        with sink.open(record_path(split, number)) as file:
            record = read_shard_record(file)
    except (StorageError, ValueError, OSError, pa.ArrowException):
        return None
    return record if record.fingerprint == fingerprint else None
