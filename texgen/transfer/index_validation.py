"""Checks whether an index from the network can be trusted, and whether it has given splits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.layout import BUILD, MANIFEST, manifest_path, shard_number, shard_path
from texgen.dataset.index import Index, SplitIndex

MAX_INDEX_BYTES = 1 << 30
"""Most bytes of an index; at about 250 bytes per shard, enough for two billion textures."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_index(index: Index) -> None:
    """Checks that an index lists only a data set's own files.

    Its paths must be those that texgen gives, so that none can lead elsewhere, and none can occur
    twice.

    Raises:
        DatasetError: If an entry is not as texgen writes it.
    """
    for fault in _faults(index):
        raise DatasetError(f"index.json cannot be trusted: {fault}; nothing was written")


def _faults(index: Index) -> Iterator[str]:
    if not _SHA256.fullmatch(index.fingerprint):
        yield f"fingerprint {index.fingerprint[:40]!r}"
    if not index.splits:
        yield "no splits"
    for name, split in index.splits.items():
        if not _NAME.fullmatch(name) or name in {MANIFEST, BUILD}:
            yield f"a split called {name[:40]!r}"
            return
        yield from _file_faults(name, split)


def _file_faults(name: str, split: SplitIndex) -> Iterator[str]:
    for number, file in enumerate(split.manifest):
        if file.path != manifest_path(name, number):
            yield f"{file.path[:80]!r} where {manifest_path(name, number)} belongs"
    last = -1
    for shard in split.shards:
        # The shards of a partial data set have gaps, but are in order.
        number = shard_number(shard.path)
        if number <= last or shard.path != shard_path(name, number):
            yield f"{shard.path[:80]!r} as a shard of {name!r}"
            return
        last = number
    for entry in split.files:
        if entry.bytes < 0 or not _SHA256.fullmatch(entry.sha256):
            yield f"{entry.path} with {entry.bytes} bytes and sha256 {entry.sha256[:80]!r}"


def check_split_names(index: Index, names: Iterable[str]) -> None:
    """Checks that the splits named by ``--split`` exist.

    Raises:
        ConfigError: If one does not; lists those that do.
    """
    for name in names:
        if name not in index.splits:
            message = f"--split {name}: the data set has only {', '.join(sorted(index.splits))}"
            message += "; give --split once for each" if "," in name else ""
            raise ConfigError(message)
