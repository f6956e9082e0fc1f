"""A lock that is an object: held as long as it is renewed.

Bytes never depend on it, since commits are conditional and all attempts at a shard give
the same bytes: a lease that is taken from a holder who was only slow costs work.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from texgen.core.errors import LockedError, StorageError
from texgen.core.system import current_process, is_dead_on_this_host
from texgen.storage.s3.bucket import Bucket
from texgen.storage.s3.errors import ConditionFailedError, MissingObjectError, UnsupportedError
from texgen.storage.s3.upload import honours_conditions

LEASE_S = 60.0
"""Silence after which a holder is taken for gone."""

RENEW_S = 15.0
_SETTLE_S = 1.0
"""Within which one that writes over another's lease, in a store that lets it, is done."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it lies in the bucket.

    Attributes:
        about: Its holder; empty where that is damaged.
        etag: Of the object.
        age_s: Seconds since it was renewed, by the store's own clock.
    """

    about: dict[str, Any]
    etag: str
    age_s: float

    @property
    def live(self) -> bool:
        """Whether its holder must be taken to be at work."""
        ended = self.about.get("released") or is_dead_on_this_host(self.about)
        return not ended and self.age_s < LEASE_S

    @property
    def holder(self) -> str:
        """Who holds it, for people."""
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.about["since"]))
            part = f" (part {self.about['part']})" if "part" in self.about else ""
            return f"process {self.about['pid']} on {self.about['host']} since {since}{part}"
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            return "another process"


def read_lease(bucket: Bucket, path: str) -> Held | None:
    """A lease, whoever holds it; None where nobody ever did."""
    try:
        found = bucket.get(path)
    except MissingObjectError:
        return None
    try:
        about = json.loads(found.data)
    except (ValueError, RecursionError):
        about = {}
    return Held(about if isinstance(about, dict) else {}, found.etag, found.age_s)


class Lease:
    """A lease of this process, once it is taken.

    Args:
        bucket: Where it lies.
        path: Of its object.
        part: Name of the part of a build that takes it, None for the whole.

    Attributes:
        taken_by: Who has taken it from this process, which was silent for too long.
    """

    def __init__(self, bucket: Bucket, path: str, part: str | None = None) -> None:
        self._bucket = bucket
        self._path = path
        self._token = secrets.token_hex(8)
        self._about = {**current_process(), "since": time.time(), "token": self._token}
        self._about |= {"part": part} if part else {}
        self._etag: str | None = None
        self.taken_by: str | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Takes the lease, renews it in the background, and gives it up.

        Raises:
            LockedError: If another process holds it; names it.
            StorageError: If the store cannot be written.
        """
        self._take()
        over = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._release()

    def _take(self) -> None:
        found = read_lease(self._bucket, self._path)
        if found and found.live:
            raise self._locked(found)
        if not self._written(found.etag if found else None):
            now = read_lease(self._bucket, self._path)
            raise self._locked(now or Held({}, "", 0.0))

    def _locked(self, held: Held) -> LockedError:
        message = (
            f"{self._bucket.address.url()} is being written by {held.holder}; wait, or stop it "
            f"(one that was killed on another machine is forgotten after {LEASE_S:.0f} s)"
        )
        return LockedError(message)

    def _written(self, etag: str | None, **more: object) -> bool:
        """Writes the lease over the one with ``etag``, or where there is none."""
        about = {**self._about, "renewed": time.time(), "lease_s": LEASE_S, **more}
        data = json.dumps(about).encode()
        if not honours_conditions(self._bucket):
            return self._written_freely(data, etag)
        try:
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            self._etag = self._bucket.put(self._path, data, condition)
        except (ConditionFailedError, MissingObjectError):
            return self._is_ours()
        except UnsupportedError:
            # Some stores know one of the two conditions.
            return self._written_freely(data, etag)
        return True

    def _written_freely(self, data: bytes, etag: str | None) -> bool:
        """In a store that lets anybody write over anything: the last to write has it."""
        now = read_lease(self._bucket, self._path)
        if (now.etag if now else None) != etag:
            return self._is_ours()
        taking = self._etag is None
        self._etag = self._bucket.put(self._path, data, {})
        if taking:
            time.sleep(_SETTLE_S)
        return self._is_ours()

    def _is_ours(self) -> bool:
        """Whether a write whose answer was lost has come through."""
        now = read_lease(self._bucket, self._path)
        if now and now.about.get("token") == self._token:
            self._etag = now.etag
            return True
        self._etag = None if now is None else self._etag
        return False

    def _renew_until(self, over: threading.Event) -> None:
        while not over.wait(RENEW_S):
            try:
                self.renew()
            except StorageError as error:
                _log.warning("the lock cannot be renewed now: %s", error)
            if self.taken_by:
                return

    def renew(self) -> None:
        """Says that the holder is alive, which a thread does all the while.

        Raises:
            StorageError: If the store cannot be written.
        """
        # Somebody who cleared the bucket took no lock: it is written anew.
        if self._written(self._etag) or (self._etag is None and self._written(None)):
            return
        now = read_lease(self._bucket, self._path)
        self.taken_by = now.holder if now else "another process"

    def check(self) -> None:
        """Whether the lease is this process's still, as far as it knows.

        Raises:
            LockedError: If another process has it now.
        """
        if self.taken_by:
            message = (
                f"{self._bucket.address.url()}: this process was silent for over {LEASE_S:.0f} s "
                f"and {self.taken_by} has gone on with it; leave it to that one"
            )
            raise LockedError(message)

    def _release(self) -> None:
        if self.taken_by is None:
            # One that cannot be given up runs out.
            with contextlib.suppress(StorageError):
                self._written(self._etag, released=True)
