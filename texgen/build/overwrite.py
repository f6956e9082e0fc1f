"""``--overwrite``: deletes what texgen wrote in OUT, and nothing else."""

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

_IN_USE = re.compile(rf"{LOCK}|{SCRATCH}/|{LOGS}/")
"""Files that the run which deletes the others is using itself."""


def describe_holdings(out: str, sink: Sink) -> str | None:
    """What ``--overwrite`` would delete, for a question to the user; None where it is nothing.

    Raises:
        ConfigError: If OUT holds files that texgen did not write.
    """
    files = sink.list("")
    check_written_by_texgen(files)
    shards = [path for path in files if path.endswith(".tar")]
    if not shards and INDEX not in files:
        return None
    size = format_bytes(sum(size for size in files.values() if size > 0))
    unfinished = "download" if DOWNLOAD_FINGERPRINT in files else "build"
    state = "a finished data set" if INDEX in files else f"an unfinished {unfinished}"
    return f"{out} holds {state}: {pluralize(len(shards), 'shard')}, {size}"


def check_written_by_texgen(files: Iterable[str]) -> None:
    """Refuses an OUT with files that texgen did not write.

    Raises:
        ConfigError: If there are any; names one.
    """
    foreign = sorted(path for path in files if not is_written_by_texgen(path))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise ConfigError(
            f"--overwrite: OUT holds {escape_unprintable(foreign[0])}{more}, which texgen did not "
            "write; move them elsewhere, or choose another OUT"
        )


def delete_dataset(sink: Sink, files: Iterable[str]) -> None:
    """Deletes what texgen wrote in OUT, the index first.

    Raises:
        ConfigError: If OUT holds files that texgen did not write; nothing is deleted then.
        StorageError: If a file cannot be deleted.
    """
    paths = sorted(files)
    check_written_by_texgen(paths)
    sink.remove(INDEX)
    deleted = (path for path in paths if not _IN_USE.match(path))
    for _ in ordered_map(sink.remove, deleted, sink.parallel):
        pass
