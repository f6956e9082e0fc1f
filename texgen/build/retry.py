"""``--retry-failed``: shards with failed rows are made again, their textures kept.

A record is set aside, not deleted, before its shard is made again, and the tar stays
where it is until the new one takes its place: so a run that is killed in between loses
none of the textures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from texgen.core.layout import EARLIER_RECORDS, INDEX, earlier_record_path, record_path
from texgen.core.types import Shard, ShardRecord
from texgen.dataset.records import find_header
from texgen.storage import Sink


def set_aside_failed(
    records: Mapping[Shard, ShardRecord], mine: Callable[[Shard], bool], sink: Sink
) -> list[Shard]:
    """Sets the records of shards with failed rows aside; the index is withdrawn first.

    Args:
        records: Of the finished shards.
        mine: Whether a shard is for this run to make.
        sink: OUT.

    Returns:
        The shards that are to be made again.
    """
    failed = [shard for shard, record in records.items() if record.failed and mine(shard)]
    if failed:
        sink.remove(INDEX)
    for shard in failed:
        sink.write(earlier_record_path(*shard), sink.open(record_path(*shard)).read())
        sink.remove(record_path(*shard))
    return failed


def set_aside(shard: Shard, sink: Sink, there: Mapping[str, int]) -> ShardRecord | None:
    """The record of a shard that was set aside, where there is one."""
    return find_header(earlier_record_path(*shard), sink, there)


def forget_set_aside(sink: Sink) -> None:
    """Deletes what was set aside, once all shards are finished."""
    for path in sink.list(EARLIER_RECORDS):
        sink.remove(path)
