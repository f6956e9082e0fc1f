"""The cache of archives' indexes in the user's cache folder; losing it costs time only."""

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
"""Changes with what is indexed and how."""

_ARCHIVE = b"texgen.archive"
_CHECKSUM = hashlib.sha256().digest_size
_BLOCK = 1 << 20


def cache_folder() -> Path | None:
    """Where indexes are kept; None where there is no such place."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "texgen" / "archives"


class IndexCache:
    """The cached index of one archive.

    Args:
        file: The archive; it is known by its name, size and time of change.
        kind: How it is indexed.
    """

    def __init__(self, file: RangeFile, kind: str) -> None:
        folder = cache_folder()
        place = os.fsencode(file.name)
        name = hashlib.sha256(place + b"\0" + kind.encode()).hexdigest()[:32]
        self._path = folder and folder / f"{name}.arrow"
        about = (str(_VERSION), kind, str(file.size()), file.stamp())
        self._archive = "\0".join(about).encode() + b"\0" + place

    def load(self, schema: Any) -> ArrowTable | None:  # noqa: ANN401 - pyarrow ships no types
        """The index, if there is one of the archive as it is now."""
        if self._path is None:
            return None
        try:
            mapped = pa.memory_map(str(self._path))
            data = mapped.read_buffer()
            if not _is_whole(data):
                return None
            stream = data.slice(0, data.size - _CHECKSUM)
            table = pa.ipc.open_stream(stream).read_all()
        except (OSError, ValueError, pa.ArrowException):
            return None
        metadata = table.schema.metadata or {}
        fits = metadata.get(_ARCHIVE) == self._archive and table.schema.equals(schema)
        return table if fits else None

    def save(self, table: ArrowTable) -> None:
        """Keeps an index, in place of the one that was there."""
        if self._path is None:
            return
        metadata = {**(table.schema.metadata or {}), _ARCHIVE: self._archive}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Parts of a build and builds side by side each write a file of their own.
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
            _log.info("the index of an archive is not kept: %s", error)


def _write(table: ArrowTable, file: IO[bytes]) -> None:
    hashed = _Hashed(file)
    with pa.ipc.new_stream(pa.PythonFile(hashed, mode="w"), table.schema) as writer:
        writer.write_table(table)
    file.write(hashed.digest.digest())


class _Hashed:
    """What Arrow writes to: a file, and the SHA-256 of what went there."""

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
        """Whoever opened the file closes it."""


def _is_whole(data: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    """Whether the checksum fits: Arrow's streams have none of their own."""
    view = memoryview(data)
    end = len(view) - _CHECKSUM
    if end < 0:
        return False
    digest = hashlib.sha256()
    for at in range(0, end, _BLOCK):
        digest.update(view[at : min(at + _BLOCK, end)])
    return digest.digest() == bytes(view[end:])
