"""`Sink`: OUT, the place that a data set is written to and read from."""

from __future__ import annotations

import contextlib
import itertools
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa

from texgen.core.config import Part
from texgen.core.errors import ShardConflictError, StorageError
from texgen.core.hashing import sha256_stream
from texgen.core.layout import BUILD, LOCK, LOGS, PLAN, PROBE, SCRATCH, log_path
from texgen.core.temporary import temporary_root
from texgen.core.types import ArrowFile
from texgen.storage.errors import ConditionFailedError, storage_errors
from texgen.storage.local import LocalStore, check_writable, free_bytes
from texgen.storage.locations import open_store
from texgen.storage.ranges import open_blocks
from texgen.storage.scratch import MachineScratch, ScratchFolder
from texgen.storage.store import ANYTHING, NOTHING, Content, Store, size_of

OWN_FILES = (f"{LOCK}.json", PROBE)
"""Files that the lock and the probe of a whole data set leave in a bucket."""

_ROUNDS = 5
_MAX_NAMES = 10_000
"""Names in OUT that are looked at to find an unknown file."""


class Sink:
    """OUT: finished files under paths relative to it; nothing unfinished is ever seen there.

    Args:
        location: A folder, or ``s3://bucket/prefix``.
        part: The part of the data set that this process makes; None for all of it.
        s3_endpoint: URL of an S3-compatible store; None is the one that the environment names.

    Attributes:
        beat_s: Time between two heartbeats of a build, s.
        parallel: Small files that are worth opening or deleting at once.
        url: Path or URL of OUT.

    Raises:
        ConfigError: If this version cannot write there.
    """

    def __init__(
        self, location: str | Path, part: Part | None = None, s3_endpoint: str | None = None
    ) -> None:
        self.store: Store = open_store(str(location), s3_endpoint)
        self._part = part
        self._root = self.store.local_path()
        if self._root is None:
            name = part.name if part else "build"
            self._scratch: ScratchFolder = MachineScratch(f"{s3_endpoint or ''} {location}", name)
        else:
            # Each part has a folder of its own, so that one can be cleared without the others'.
            drafts = f"{SCRATCH}/{part.name}" if part else SCRATCH
            log = log_path(part.name if part else None)
            self._scratch = ScratchFolder(self._root / drafts, self._root / log)
            self.store = LocalStore(str(self._root), drafts=drafts)
        self._lock = self.store.lock(part)
        # In a bucket a heartbeat costs a request, and shards show how far a build is, too.
        self.beat_s = 30.0 if self._root is None else 5.0
        self.parallel = self.store.parallel
        self.url = self.store.place()

    def first_unknown_file(self) -> str | None:
        """Name of a file in a place that no build has written to yet, or None.

        Raises:
            StorageError: If OUT cannot be listed.
        """
        with (
            storage_errors("look into", self.url),
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
        ):
            entries = itertools.islice(self.store.scan("", hidden=True), _MAX_NAMES)
            unknown = {os.fsdecode(entry.name): entry for entry in entries}
            if (build := unknown.get(BUILD)) and build.is_folder():
                # Looked at last, since another build may be making its own at this moment.
                entries = itertools.islice(self.store.scan(BUILD, hidden=True), _MAX_NAMES)
                inside = [os.fsdecode(entry.name) for entry in entries]
                if any(map(_is_build_mark, inside)):
                    return None
                if not inside:
                    # A build that is killed before it takes its lock leaves an empty folder.
                    del unknown[BUILD]
            return min(unknown, default=None)
        return None

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other writers out while it is held; other parts of one build may enter.

        Raises:
            LockedError: If another process holds it; names the holder.
        """
        return self._lock.held()

    def finish_lock(self) -> AbstractContextManager[None]:
        """Held by one part at a time; the others wait for it."""
        return self._lock.finishing()

    def list(self, prefix: str) -> dict[str, int]:
        """Paths below the folder ``prefix`` and their sizes in bytes; all of OUT for ``""``.

        A link to nothing, or back to a folder above it, has -1 bytes.

        Raises:
            StorageError: If a folder cannot be listed; one that is not there holds nothing.
        """
        with storage_errors("list", self.store.place(prefix)):
            return dict(self.store.list(prefix))

    def open(self, path: str) -> ArrowFile:
        """A finished file as a seekable `pyarrow.NativeFile`.

        Raises:
            StorageError: If it cannot be opened; in a bucket also when it is read.
        """
        place = self.store.place(path)
        with storage_errors("read", place):
            if self._root is None:
                return pa.PythonFile(open_blocks(self.store.open(path), place), mode="r")
            # Arrow cannot map an empty file.
            return pa.memory_map(place) if Path(place).stat().st_size else pa.BufferReader(b"")

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Bytes out of the middle of a finished file; fewer if it is shorter.

        Raises:
            StorageError: If it cannot be read.
        """
        with storage_errors("read", self.store.place(path)):
            return self.store.get_range(path, offset, offset + length).data if length else b""

    def write(self, path: str, data: bytes) -> None:
        """Puts a small file in place in one step, over one that is there."""
        self._lock.check()
        with storage_errors("write", self.store.place(path)):
            self.store.put(path, data)

    def commit(self, file: Path, path: str, sha256: str, *, replace: bool = False) -> None:
        """Moves a finished local file to its final name, in one step.

        Args:
            file: A file in `scratch`; it is gone afterwards.
            path: Its final name, relative to OUT.
            sha256: Checksum of the file, hex.
            replace: Whether a file of other bytes is replaced; otherwise it is an error.

        Raises:
            ShardConflictError: If a file of other bytes has that name.
            WrongBytesError: If the file is found to have another ``sha256``.
            StorageError: If it cannot be written.
        """
        self.send(file, path, sha256, replace=replace)
        with storage_errors("write", self.store.place(path)):
            file.unlink(missing_ok=True)

    def send(self, content: Content, path: str, sha256: str, *, replace: bool = False) -> None:
        """Puts a file in place as `commit` does; a folder may take a local file away."""
        self._lock.check()
        place = self.store.place(path)
        with storage_errors("write", place):
            if replace and self._has(content, path, sha256):
                # It would change under those who are reading it.
                return
            for _ in range(_ROUNDS):
                try:
                    self.store.put(path, content, sha256, over=ANYTHING if replace else NOTHING)
                except ConditionFailedError:
                    found = self.sha256_of(path)
                else:
                    return
                if found == sha256:
                    return
                if found is not None and not replace:
                    raise ShardConflictError(
                        f"{place} is there with other bytes (sha256 {found[:12]}…, made "
                        f"{sha256[:12]}…): delete it, and check that all nodes run the same texgen"
                    )
        raise StorageError(f"cannot write {place}: others delete or write it; stop them")

    def _has(self, content: Content, path: str, sha256: str) -> bool:
        """Whether a file was written with this checksum, as far as the store knows."""
        try:
            found = self.store.head(path)
        except FileNotFoundError:
            return False
        return found.sha256 == sha256 and found.size == size_of(content)

    def sha256_of(self, path: str) -> str | None:
        """SHA-256 of a file of OUT, hex; None if there is none.

        Raises:
            StorageError: If it cannot be read.
        """
        place = self.store.place(path)
        with storage_errors("read", place), contextlib.suppress(FileNotFoundError):
            if known := self.store.head(path).sha256:
                return known
            # Others copy objects without their metadata.
            return sha256_stream(open_blocks(self.store.open(path), place))
        return None

    def remove(self, path: str) -> None:
        """Deletes a file, if it is there."""
        self._lock.check()
        with storage_errors("delete", self.store.place(path)):
            self.store.delete(path)

    def scratch(self) -> Path:
        """A local folder for files that will be committed."""
        return self._scratch.folder()

    def clear_scratch(self) -> None:
        """Deletes what attempts of this part that were killed left behind."""
        self._scratch.clear()
        # Other parts may be in the middle of theirs.
        if self._part is None:
            self.store.discard_uploads()

    def log_path(self) -> Path:
        """A local file for the build's log."""
        return self._scratch.log_path()

    def upload_log(self) -> None:
        """Brings the closed log to OUT, if it is not there; raises nothing."""
        for log in self._scratch.finished_logs():
            try:
                self.store.put(f"{LOGS}/{log.name}", log)
            except OSError:
                # It stays on this machine, for the next run there.
                return
            self._scratch.forget(log)

    def free_bytes(self) -> int | None:
        """Free space, or None if there is no such limit."""
        return free_bytes(self._root) if self._root else None

    def check_writable(self) -> None:
        """Checks whether a build may write, without writing anything.

        Raises:
            StorageError: If it may not. A bucket tells this only once it is written to.
        """
        if self._root is None:
            return
        with storage_errors("write to", self._root):
            check_writable(self._root, self._root / BUILD)

    def free_scratch_bytes(self) -> int | None:
        """Free space in `scratch`, or None if that is in OUT."""
        return None if self._root else free_bytes(temporary_root())


def _is_build_mark(name: str) -> bool:
    """Whether a name in ``_build`` is texgen's: other programs have folders of that name too."""
    path = f"{BUILD}/{name}"
    return path.startswith(LOCK) or path in {PLAN, PROBE}
