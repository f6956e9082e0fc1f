"""Counters of a build among Ray's metrics, which every node serves to Prometheus."""

from __future__ import annotations

from ray.util.metrics import Counter, Histogram

from texgen.core.types import ShardRecord

_SHARD_S = [1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0]
"""Bounds of the histogram in seconds: shards of 512 textures take 40 s to half an hour."""


class BuildMetrics:
    """Counts the shards and textures of this run; Ray must be started.

    Earlier runs are not included: `texgen status` counts them by their records. Ray prefixes the
    names with ``ray_`` and appends ``_total`` to those of counters.
    """

    def __init__(self) -> None:
        self._made = Counter("texgen_textures_made", "Textures in finished shards.")
        self._failed = Counter("texgen_textures_failed", "Failed rows in finished shards.")
        self._shards = Counter("texgen_shards_made", "Finished shards.")
        self._seconds = Histogram(
            "texgen_shard_seconds", "Wall clock of a finished shard, s.", boundaries=_SHARD_S
        )

    def record_metrics(self, record: ShardRecord) -> None:
        """Adds a finished shard that was not added before."""
        # Ray refuses an increment of zero.
        if record.samples:
            self._made.inc(record.samples)
        if record.failed:
            self._failed.inc(record.failed)
        self._shards.inc()
        self._seconds.observe(record.timings.total_s)
