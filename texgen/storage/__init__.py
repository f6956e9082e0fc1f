"""Where a data set goes: one `Sink` for each kind of storage."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from texgen.core.config import Part
from texgen.core.errors import ConfigError
from texgen.core.types import ArrowFile
from texgen.storage.errors import scratch_folder, scratch_root, storage_errors
from texgen.storage.local import LocalSink
from texgen.storage.s3.address import SCHEME

__all__ = [
    "LocalSink",
    "Sink",
    "attempt_place",
    "open_sink",
    "place_of",
    "scratch_folder",
    "storage_errors",
]


class Sink(Protocol):
    """Holds finished files under paths relative to OUT; nothing unfinished is ever seen there.

    Attributes:
        beat_s: Between two heartbeats of a build, s.
        parallel: Small files that are worth being opened or deleted at once.
    """

    beat_s: float
    parallel: int

    def first_unknown_file(self) -> str | None:
        """Name of a file in a place that no build has written to yet, or None."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other writers out while it is held; other parts of one build may come in.

        Raises:
            LockedError: If another process holds it; names the holder.
        """
        ...

    def finish_lock(self) -> AbstractContextManager[None]:
        """Held by one part at a time, which the others wait for."""
        ...

    def list(self, prefix: str) -> dict[str, int]:
        """Paths below the folder ``prefix`` and their sizes in bytes; all of OUT for ``""``.

        A link to nothing, or back to a folder above it, has -1 bytes.

        Raises:
            StorageError: If a folder cannot be listed; one that is not there holds nothing.
        """
        ...

    def open(self, path: str) -> ArrowFile:
        """A finished file as a seekable `pyarrow.NativeFile`.

        Raises:
            StorageError: If it cannot be opened.
        """
        ...

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Bytes out of the middle of a finished file; fewer where it is shorter.

        Raises:
            StorageError: If it cannot be read.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Puts a small file in place in one step, over one that is there."""
        ...

    def commit(self, file: Path, path: str, sha256: str, *, replace: bool = False) -> None:
        """Moves a finished local file to its final name, in one step.

        Args:
            file: In `scratch`; gone afterwards.
            path: Its final name, relative to OUT.
            sha256: Of the file, hex.
            replace: Whether a file of other bytes is written over, not an error.

        Raises:
            ShardConflictError: If a file of other bytes has that name.
        """
        ...

    def remove(self, path: str) -> None:
        """Deletes a file, if it is there."""
        ...

    def scratch(self) -> Path:
        """A local folder for files that will be committed."""
        ...

    def clear_scratch(self) -> None:
        """Deletes what attempts of this part that were killed left behind."""
        ...

    def log_path(self) -> Path | None:
        """A local file for the build's log, or None where there is none."""
        ...

    def upload_log(self) -> None:
        """Brings the closed log to OUT, if it is not there; raises nothing."""
        ...

    def free_bytes(self) -> int | None:
        """Free space, or None where there is no such limit."""
        ...

    def check_writable(self) -> None:
        """Looks whether a build may write, and writes nothing.

        Raises:
            StorageError: If it may not; a bucket tells only once it is written to.
        """
        ...

    def free_scratch_bytes(self) -> int | None:
        """Free space in `scratch`, or None where that is in OUT."""
        ...


def open_sink(location: str, part: Part | None = None, s3_endpoint: str | None = None) -> Sink:
    """Opens OUT.

    Args:
        location: A folder, or ``s3://bucket/prefix``.
        part: What of the data set this process makes, None for all of it.
        s3_endpoint: URL of an S3-compatible store; None is what the environment names.

    Raises:
        ConfigError: If this version cannot write there.
    """
    if location.startswith(SCHEME):
        # boto3 takes a third of a second to import, and folders need none of it.
        from texgen.storage.s3.sink import S3Sink

        return S3Sink(location, part, s3_endpoint)
    if "://" in location:
        message = f"{location}: name a folder, or s3://bucket/prefix"
        raise ConfigError(message)
    return LocalSink(Path(location), part)


def place_of(location: str, path: str) -> str:
    """The path or URL of a file of OUT."""
    return f"{location.rstrip('/')}/{path}" if "://" in location else str(Path(location, path))


def attempt_place(location: str, path: str) -> Path:
    """The folder that an attempt's own files are in, or the file in OUT; for errors."""
    return scratch_root() if "://" in location else Path(location, path)
