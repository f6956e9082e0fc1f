"""A bucket, or a prefix in one, as OUT."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from texgen.core.config import Part
from texgen.core.errors import LockedError, StorageError
from texgen.core.layout import BUILD, LOCK, LOGS, PLAN, PROBE
from texgen.core.types import ArrowFile
from texgen.storage.s3.address import parse
from texgen.storage.s3.body import Body
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.file import open_object
from texgen.storage.s3.lease import Lease, read_lease
from texgen.storage.s3.retry import ATTEMPTS
from texgen.storage.s3.upload import abort_all, commit, committed_sha256
from texgen.storage.scratch import RemoteScratch

_FINISH = f"{LOCK}.finish.json"
OWN_FILES = (f"{LOCK}.json", PROBE)
"""What a lock of the whole leaves in a bucket."""

_POLL_S = 1.0
_BEAT_S = 30.0
"""A request each; whoever watches sees shards as they are finished, too."""


class S3Sink:
    """Objects below one prefix; see `texgen.storage.Sink`.

    Files are made on this machine and go up once they are whole.

    Args:
        location: ``s3://bucket/prefix``.
        part: What of the data set this process makes, None for all of it.
        endpoint: URL of an S3-compatible store; None is what the environment names.

    Attributes:
        beat_s: See `Sink`.
        parallel: See `Sink`.

    Raises:
        ConfigError: If the location names no bucket.
    """

    beat_s = _BEAT_S
    parallel = 16

    def __init__(
        self, location: str, part: Part | None = None, endpoint: str | None = None
    ) -> None:
        self._bucket = Bucket(parse(location), endpoint)
        self._part = part
        name = part.name if part else "build"
        self._scratch = RemoteScratch(f"{endpoint or ''} {location}", name)
        self._leases: list[Lease] = []

    def first_unknown_file(self) -> str | None:
        """See `Sink.first_unknown_file`."""
        first = next(self._bucket.list(most=1), None)
        # Other programs name their folders _build too. Ours begins with the probe and the locks.
        known = (path for path, _ in self._bucket.list(BUILD, most=1000))
        ours = any(path.startswith(LOCK) or path in {PLAN, PROBE} for path in known)
        return None if first is None or ours else first[0].split("/")[0]

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """See `Sink.lock`. A lease: see `texgen.storage.s3.lease`."""
        with self._held(_lock_path(self._part)):
            self._refuse_others()
            yield

    @contextlib.contextmanager
    def finish_lock(self) -> Iterator[None]:
        """See `Sink.finish_lock`."""
        with contextlib.ExitStack() as held:
            while True:
                try:
                    held.enter_context(self._held(_FINISH))
                    break
                except LockedError:
                    time.sleep(_POLL_S)
            yield

    @contextlib.contextmanager
    def _held(self, path: str) -> Iterator[None]:
        lease = Lease(self._bucket, path, self._part.name if self._part else None)
        with lease.held():
            self._leases.append(lease)
            try:
                yield
            finally:
                self._leases.remove(lease)

    def _refuse_others(self) -> None:
        """Looks for those who must not write besides; each has its own lease before it looks.

        So of two that come together at least one sees the other.
        """
        for path, _ in list(self._bucket.list(BUILD)):
            if not path.startswith(LOCK) or path in {_FINISH, _lock_path(self._part)}:
                continue
            if self._part and path.endswith(f"-of-{self._part.count}.json"):
                continue
            found = read_lease(self._bucket, path)
            if found and found.live:
                message = f"{self.url} is being written by {found.holder}; wait, or stop it"
                raise LockedError(message)

    def list(self, prefix: str) -> dict[str, int]:
        """See `Sink.list`."""
        return dict(self._bucket.list(prefix))

    def open(self, path: str) -> ArrowFile:
        """See `Sink.open`."""
        return pa.PythonFile(open_object(self._bucket, path), mode="r")

    def read(self, path: str, offset: int, length: int) -> bytes:
        """See `Sink.read`."""
        return self._bucket.get(path, offset, offset + length).data if length else b""

    def write(self, path: str, data: bytes) -> None:
        """See `Sink.write`."""
        self._check_leases()
        self._bucket.put(path, data, {})

    def commit(self, file: Path, path: str, sha256: str, *, replace: bool = False) -> None:
        """See `Sink.commit`."""
        self.send(file, path, sha256, replace=replace)
        file.unlink(missing_ok=True)

    def send(self, body: Body, path: str, sha256: str, *, replace: bool = False) -> None:
        """Puts bytes, or a local file, in place in one step; see `storage.s3.upload.commit`."""
        self._check_leases()
        commit(self._bucket, body, path, sha256, replace=replace)

    def sha256_of(self, path: str) -> str | None:
        """SHA-256 of a file of OUT, hex; None where there is none."""
        return committed_sha256(self._bucket, path)

    def remove(self, path: str) -> None:
        """See `Sink.remove`."""
        self._check_leases()
        self._bucket.delete(path)

    def scratch(self) -> Path:
        """See `Sink.scratch`."""
        return self._scratch.folder()

    def clear_scratch(self) -> None:
        """See `Sink.clear_scratch`."""
        self._scratch.clear()
        # Other parts may be in the middle of theirs.
        if self._part is None:
            self.abort_uploads()

    def abort_uploads(self, attempts: int = ATTEMPTS) -> None:
        """Throws away what killed processes have sent of large files, as far as that is allowed.

        Args:
            attempts: Tries of a request.
        """
        abort_all(dataclasses.replace(self._bucket, attempts=attempts))

    def log_path(self) -> Path | None:
        """See `Sink.log_path`."""
        return self._scratch.log_path()

    def upload_log(self) -> None:
        """See `Sink.upload_log`."""
        for log in self._scratch.logs():
            try:
                self._bucket.put(f"{LOGS}/{log.name}", log, {})
            except (StorageError, OSError):
                # It stays on this machine, for the next run there.
                return
            self._scratch.forget(log)

    def free_bytes(self) -> int | None:
        """See `Sink.free_bytes`."""
        return None

    def check_writable(self) -> None:
        """See `Sink.check_writable`."""

    def free_scratch_bytes(self) -> int | None:
        """See `Sink.free_scratch_bytes`."""
        return self._scratch.free_bytes()

    def _check_leases(self) -> None:
        """Ends what has gone on without its lock."""
        for lease in self._leases:
            lease.check()

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self._bucket.address.url()


def _lock_path(part: Part | None) -> str:
    return f"{LOCK}.{part.name}.json" if part else f"{LOCK}.json"
