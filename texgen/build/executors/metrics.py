"""A build's counts among Ray's own metrics, which every node serves to Prometheus."""

from __future__ import annotations

from ray.util.metrics import Counter, Histogram

from texgen.core.types import ShardRecord

_SHARD_S = [1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0]
"""Bounds of the histogram's buckets: shards of 512 textures take 40 s to half an hour."""


class BuildMetrics:
    """Counts what this run of a build has made; Ray must be started.

    Earlier runs are in the records alone, which `texgen status` counts. Ray puts ``ray_`` in
    front of the names, and ``_total`` behind those of counters.
    """

    def __init__(self) -> None:
        self._made = Counter("texgen_textures_made", "Textures in finished shards.")
        self._failed = Counter("texgen_textures_failed", "Failed rows in finished shards.")
        self._shards = Counter("texgen_shards_made", "Finished shards.")
        self._seconds = Histogram(
            "texgen_shard_seconds", "Wall clock of a finished shard, s.", boundaries=_SHARD_S
        )

    def record_metrics(self, record: ShardRecord) -> None:
        """Adds a finished shard, which must not be one that was added before."""
        # Ray takes no increment of zero.
        if record.samples:
            self._made.inc(record.samples)
        if record.failed:
            self._failed.inc(record.failed)
        self._shards.inc()
        self._seconds.observe(record.timings.total_s)
