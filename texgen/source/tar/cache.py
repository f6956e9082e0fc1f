"""Cache of the indexes of archives in the user's cache folder; losing it costs time only."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from texgen.core.types import ArrowTable
from texgen.storage.ranges import RangeFile

_log = logging.getLogger(__name__)

_VERSION = 2
"""Increased whenever the content or the rules of an index change."""

_ARCHIVE = b"texgen.archive"
_CHECKSUM = hashlib.sha256().digest_size
_BLOCK = 1 << 20


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
            mapped = pa.memory_map(str(self._path))
            data = mapped.read_buffer()
            if not _is_intact(data):
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
            part = tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False)  # noqa: SIM115
            try:
                with part:
                    _write(table.replace_schema_metadata(metadata), part)
                Path(part.name).replace(self._path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(part.name).unlink()
                raise
        except OSError as error:
            _log.info("the index of an archive is not cached: %s", error)


def _write(table: ArrowTable, file: IO[bytes]) -> None:
    hashed = _Hashed(file)
    with pa.ipc.new_stream(pa.PythonFile(hashed, mode="w"), table.schema) as writer:
        writer.write_table(table)
    file.write(hashed.digest.digest())


class _Hashed:
    """A file for Arrow to write to, which hashes the written bytes by SHA-256."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Does nothing: the caller, who opened the file, closes it."""


def _is_intact(data: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    """Whether the checksum fits the data; Arrow's streams have no checksum."""
    view = memoryview(data)
    end = len(view) - _CHECKSUM
    if end < 0:
        return False
    digest = hashlib.sha256()
    for at in range(0, end, _BLOCK):
        digest.update(view[at : min(at + _BLOCK, end)])
    return digest.digest() == bytes(view[end:])
