"""Cache of the indexes of archives in the user's cache folder; losing it costs time only."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from texgen.core.types import ArrowTable
from texgen.storage.ranges import RangeFile

_log = logging.getLogger(__name__)

_VERSION = 2
"""Increased whenever the content or the rules of an index change."""

_ARCHIVE = b"texgen.archive"
_CHECKSUM = hashlib.sha256().digest_size


def cache_folder() -> Path | None:
    """The folder of the cached indexes; None without a home folder."""
    cache_home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(cache_home) if Path(cache_home).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "texgen" / "archives"


class IndexCache:
    """The cached index of one archive.

    Args:
        file: The archive, which is identified by its name, size and stamp.
        kind: How the archive is indexed: ``nested``, or ``flat`` and the label field.
    """

    def __init__(self, file: RangeFile, kind: str) -> None:
        folder = cache_folder()
        archive_name = os.fsencode(file.name)
        name = hashlib.sha256(archive_name + b"\0" + kind.encode()).hexdigest()[:32]
        self._path = folder and folder / f"{name}.arrow"
        identity = (str(_VERSION), kind, str(file.size()), file.stamp())
        self._archive = "\0".join(identity).encode() + b"\0" + archive_name

    def load(self, schema: Any) -> ArrowTable | None:  # noqa: ANN401 - pyarrow ships no types
        """The index, if the cache holds one of the archive's current content."""
        if self._path is None:
            return None
        try:
            data = pa.memory_map(str(self._path)).read_buffer()
            if not _is_intact(memoryview(data)):
                return None
            stream = data.slice(0, data.size - _CHECKSUM)
            table = pa.ipc.open_stream(stream).read_all()
        except (OSError, ValueError, pa.ArrowException):
            return None
        metadata = table.schema.metadata or {}
        fits = metadata.get(_ARCHIVE) == self._archive and table.schema.equals(schema)
        return table if fits else None

    def save(self, table: ArrowTable) -> None:
        """Stores an index and replaces an earlier one of the archive."""
        if self._path is None:
            return
        metadata = {**(table.schema.metadata or {}), _ARCHIVE: self._archive}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Builds that run in parallel, and parts of one build, each write their own file first.
            with tempfile.TemporaryDirectory(dir=self._path.parent) as folder:
                draft = Path(folder, self._path.name)
                _write(table.replace_schema_metadata(metadata), draft)
                draft.replace(self._path)
        except OSError as error:
            _log.info("the index of an archive is not cached: %s", error)


def _write(table: ArrowTable, path: Path) -> None:
    # An index may be large, and is in memory once already.
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    with pa.memory_map(str(path)) as file:
        checksum = hashlib.sha256(file.read_buffer()).digest()
    with path.open("ab") as end:
        end.write(checksum)


def _is_intact(data: memoryview) -> bool:
    """Whether the checksum at the end fits the data: Arrow's streams have none of their own."""
    end = len(data) - _CHECKSUM
    return end >= 0 and hashlib.sha256(data[:end]).digest() == bytes(data[end:])
