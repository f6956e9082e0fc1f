"""Textures that a shard has already, while its failed rows are tried again."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow.compute as pc

from texgen.core.errors import StorageError
from texgen.core.layout import earlier_record_path
from texgen.core.types import Geometry, ShardPlan
from texgen.dataset.manifest import geometry_of
from texgen.dataset.records import read_header, read_table
from texgen.storage import Sink


class EarlierShard:
    """A shard as it was before the retry: its record is set aside, its tar still in place.

    Nothing of it need be there, or be whole: what cannot be read is made anew.

    Args:
        shard: The shard.
        fingerprint: Of the build.
        sink: OUT.
    """

    def __init__(self, shard: ShardPlan, fingerprint: str, sink: Sink) -> None:
        self._sink = sink
        self._rows: dict[str, dict[str, Any]] = {}
        path = earlier_record_path(shard.split, shard.index)
        try:
            if read_header(sink.open(path)).fingerprint == fingerprint:
                table = read_table(sink.open(path))
                made = table.filter(pc.equal(table["status"], "ok"))
                self._rows = {row["key"]: row for row in made.to_pylist()}
        except (StorageError, ValueError):
            return

    def take(self, key: str) -> tuple[Geometry, bytes] | None:
        """Where the patches of a texture lie, and its file; None where there is none."""
        row = self._rows.get(key)
        data = row and self._read(row)
        # Another attempt at the shard may have written over the tar.
        if not row or not data or hashlib.sha256(data).hexdigest() != row["sha256"]:
            return None
        return geometry_of(row), data

    def _read(self, row: dict[str, Any]) -> bytes | None:
        try:
            return self._sink.read(row["shard"], row["offset"], row["length"])
        except StorageError:
            return None
