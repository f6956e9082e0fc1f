"""``--retry-failed``: shards with failed rows are made again, their textures kept.

Before its shard is made again, a record is set aside and not deleted, and the tar stays in place
until the new one replaces it. A run that is killed in between therefore loses none of the
textures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc

from texgen.core.errors import StorageError
from texgen.core.layout import EARLIER_RECORDS, INDEX, earlier_record_path, record_path
from texgen.core.types import Row, Shard, ShardPlan
from texgen.dataset.manifest import geometry_of
from texgen.dataset.records import read_record_rows, read_shard_record
from texgen.storage import Sink


def set_aside(shards: Sequence[Shard], sink: Sink) -> None:
    """Sets the records of shards with failed rows aside; the index is deleted first."""
    if shards:
        sink.remove(INDEX)
    for shard in shards:
        sink.write(earlier_record_path(*shard), sink.open(record_path(*shard)).read())
        sink.remove(record_path(*shard))


def delete_set_aside(sink: Sink) -> None:
    """Deletes the records that were set aside, once all shards are finished."""
    for path in sink.list(EARLIER_RECORDS):
        sink.remove(path)


@dataclass(frozen=True, slots=True)
class KeptTexture:
    """A row whose texture an earlier run made, and the bytes of the texture's file."""

    row: Row
    encoded: bytes


class EarlierShard:
    """A shard as it was before the retry: its record is set aside, its tar still in place.

    Record and tar may be missing or damaged: a texture that cannot be read is made again.
    """

    def __init__(self, shard: ShardPlan, fingerprint: str, sink: Sink) -> None:
        self._sink = sink
        self._rows: dict[str, dict[str, Any]] = {}
        path = earlier_record_path(shard.split, shard.index)
        try:
            if read_shard_record(sink.open(path)).fingerprint == fingerprint:
                table = read_record_rows(sink.open(path))
                made = table.filter(pc.equal(table["status"], "ok"))
                self._rows = {row["key"]: row for row in made.to_pylist()}
        except (StorageError, ValueError):
            return

    def take(self, draft: Row) -> KeptTexture | None:
        """The texture of an unfinished row; None where it was not made, or cannot be read."""
        row = self._rows.get(draft.key)
        if row is None:
            return None
        try:
            data = self._sink.read(row["shard"], row["offset"], row["length"])
        except StorageError:
            return None
        # Another attempt at the shard may have replaced the tar.
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            return None
        return KeptTexture(replace(draft, geometry=geometry_of(row)), data)
