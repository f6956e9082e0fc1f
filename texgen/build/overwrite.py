"""``--overwrite``: what texgen wrote in OUT, and nothing else, is thrown away."""

from __future__ import annotations

import re
from collections.abc import Iterable

from texgen.core.concurrency import ordered_map
from texgen.core.errors import ConfigError
from texgen.core.layout import (
    DOWNLOAD_FINGERPRINT,
    INDEX,
    LOCK,
    LOGS,
    SCRATCH,
    is_written_by_texgen,
)
from texgen.core.text import escape_unprintable, format_bytes, pluralize
from texgen.storage import Sink

_KEPT = re.compile(rf"{LOCK}|{SCRATCH}/|{LOGS}/")
"""In use by the run that throws the rest away."""


def describe(out: str, sink: Sink) -> str | None:
    """What would be thrown away, for a question; None where there is nothing.

    Raises:
        ConfigError: If OUT holds what texgen did not write.
    """
    there = sink.list("")
    check_ours(there)
    shards = [path for path in there if path.endswith(".tar")]
    if not shards and INDEX not in there:
        return None
    size = format_bytes(sum(size for size in there.values() if size > 0))
    unfinished = "download" if DOWNLOAD_FINGERPRINT in there else "build"
    state = "a finished data set" if INDEX in there else f"an unfinished {unfinished}"
    return f"{out} holds {state}: {pluralize(len(shards), 'shard')}, {size}"


def check_ours(there: Iterable[str]) -> None:
    """Refuses an OUT with files that are not texgen's.

    Raises:
        ConfigError: If there are any; names one.
    """
    foreign = sorted(path for path in there if not is_written_by_texgen(path))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        message = (
            f"--overwrite: OUT holds {escape_unprintable(foreign[0])}{more}, which texgen did not "
            "write; "
            "move it elsewhere, or name another OUT"
        )
        raise ConfigError(message)


def discard(sink: Sink, there: Iterable[str]) -> None:
    """Throws away what texgen wrote, the index first.

    Raises:
        ConfigError: If OUT holds what texgen did not write; nothing is deleted then.
        StorageError: If a file cannot be deleted.
    """
    paths = sorted(there)
    check_ours(paths)
    sink.remove(INDEX)
    ours = (path for path in paths if not _KEPT.match(path))
    for _ in ordered_map(sink.remove, ours, sink.parallel):
        pass
