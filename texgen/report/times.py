"""Times of a build, from the records under ``_build``."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.core.layout import record_path, shard_name
from texgen.core.types import ShardRecord
from texgen.dataset.index import Index
from texgen.dataset.records import find_shard_record
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
    records: list[ShardRecord] = []
    shards = [
        (name, i) for name, split in sorted(index.splits.items()) for i in range(len(split.shards))
    ]
    for name, number in shards:
        path = record_path(name, number)
        # OUT is not listed for this: a bucket may hold millions of files.
        record = find_shard_record(path, sink, [path])
        if record is not None and record.fingerprint == index.fingerprint:
            records.append(record)
    if not records:
        return None
    timings = [asdict(record.timings) for record in records]
    return Times(
        np.array([one["total_s"] for one in timings]),
        [shard_name(record.split, record.index) for record in records],
        {part: sum(one[f"{part}_s"] for one in timings) for part in _PARTS},
        sum(record.samples for record in records),
        len(shards) - len(records),
    )
