"""The lock of a bucket: an object that is held as long as it is renewed.

Bytes never depend on it, since commits are conditional and all attempts at a shard give the same
bytes: a lease that is taken from a holder who was only slow costs work.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

from texgen.core.config import Part
from texgen.core.errors import LockedError
from texgen.core.layout import BUILD, LOCK
from texgen.core.system import is_dead_on_this_host
from texgen.storage.errors import ConditionFailedError, storage_errors
from texgen.storage.locks import current_holder, describe_holder
from texgen.storage.store import NOTHING, FileRange, Store

LEASE_S = 60.0
"""Silence after which a holder is considered gone."""

RENEW_S = 15.0
_SETTLE_S = 1.0
"""Time in which another writer has overwritten a lease, in a store without conditions."""

_POLL_S = 1.0
_FINISH = f"{LOCK}.finish.json"

_log = logging.getLogger(__name__)


class LeaseLock:
    """Leases of a data set's writers; see `texgen.storage.locks.Lock` and `Store.lock`."""

    def __init__(self, store: Store, part: Part | None) -> None:
        self._store = store
        self._part = part
        self._path = f"{LOCK}.{part.name}.json" if part else f"{LOCK}.json"
        self._leases: list[Lease] = []

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Lock.held`."""
        with self._held(self._path):
            with storage_errors("list", self._store.place(BUILD)):
                self._refuse_others()
            yield

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """See `Lock.finishing`."""
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(self._held(_FINISH))
                    break
                except LockedError:
                    time.sleep(_POLL_S)
            yield

    def check(self) -> None:
        """See `Lock.check`."""
        for lease in self._leases:
            lease.check()

    @contextlib.contextmanager
    def _held(self, path: str) -> Iterator[None]:
        lease = Lease(self._store, path, self._part)
        with lease.held():
            self._leases.append(lease)
            try:
                yield
            finally:
                self._leases.remove(lease)

    def _refuse_others(self) -> None:
        """Refuses to write beside a holder of another lease that excludes this one.

        Every writer has its own lease before it looks, so of two that come at the same time at
        least one sees the other.
        """
        for name in [entry.name.decode() for entry in self._store.scan(BUILD)]:
            path = f"{BUILD}/{name}"
            if not path.startswith(LOCK) or path in {_FINISH, self._path}:
                continue
            if self._part and path.endswith(f"-of-{self._part.count}.json"):
                continue
            state = read_lease(self._store, path)
            if state and state.live:
                place = self._store.place()
                raise LockedError(f"{place} is being written by {state.holder}; wait, or stop it")


class LeaseState:
    """A lease as it lies in the bucket, whoever holds it.

    Attributes:
        about: What its holder wrote; empty if the object is damaged.
        etag: ETag of the object.
        live: Whether its holder must be taken to be at work, by the store's own clock.
        holder: The process that holds it, for people.
    """

    def __init__(self, found: FileRange) -> None:
        about: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            about = json.loads(found.data)
        self.about: dict[str, Any] = about if isinstance(about, dict) else {}
        self.etag = found.etag
        ended = self.about.get("released") or is_dead_on_this_host(self.about)
        self.live = not ended and found.age_s < LEASE_S
        self.holder = describe_holder(self.about) or "another process"


def read_lease(store: Store, path: str) -> LeaseState | None:
    """A lease; None if nobody ever held it.

    Raises:
        OSError: If it cannot be read.
    """
    try:
        return LeaseState(store.get_range(path))
    except FileNotFoundError:
        return None


class Lease:
    """A lease of this process, once it is taken.

    Attributes:
        taken_by: The process that has taken it over from this one, which was silent too long.
    """

    def __init__(self, store: Store, path: str, part: Part | None) -> None:
        self._store = store
        self._path = path
        self._token = secrets.token_hex(8)
        self._about = {**current_holder(part), "token": self._token}
        self._etag: str | None = None
        self.taken_by: str | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Takes the lease, renews it in the background, and gives it up.

        Raises:
            LockedError: If another process holds it; names the process.
            StorageError: If the store cannot be written.
        """
        with storage_errors("write", self._store.place(self._path)):
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
        state = read_lease(self._store, self._path)
        if state and state.live:
            raise self._locked(state)
        if not self._write(state.etag if state else None):
            raise self._locked(read_lease(self._store, self._path))

    def _locked(self, state: LeaseState | None) -> LockedError:
        holder = state.holder if state else "another process"
        message = (
            f"{self._store.place()} is being written by {holder}; wait, or stop it "
            f"(one that was killed on another machine is forgotten after {LEASE_S:.0f} s)"
        )
        return LockedError(message)

    def _write(self, etag: str | None, **more: object) -> bool:
        """Writes the lease over the one with ``etag``, or if there is none; whether it is ours."""
        about = {**self._about, "renewed": time.time(), "lease_s": LEASE_S, **more}
        data = json.dumps(about).encode()
        taking = self._etag is None
        try:
            written = self._store.put(self._path, data, over=etag or NOTHING)
        except (ConditionFailedError, FileNotFoundError):
            return self._is_ours()
        self._etag = written.etag
        if written.atomic:
            return True
        if taking:
            # The store lets anybody overwrite anything: the last to write has the lease.
            time.sleep(_SETTLE_S)
        return self._is_ours()

    def _is_ours(self) -> bool:
        """Whether a write whose answer was lost has succeeded."""
        state = read_lease(self._store, self._path)
        if state and state.about.get("token") == self._token:
            self._etag = state.etag
            return True
        self._etag = None if state is None else self._etag
        return False

    def _renew_until(self, over: threading.Event) -> None:
        while not over.wait(RENEW_S):
            try:
                self.renew()
            except OSError as error:
                _log.warning("the lock cannot be renewed now: %s", error)
            if self.taken_by:
                return

    def renew(self) -> None:
        """Writes that the holder is alive; a thread does this while the lease is held.

        Raises:
            OSError: If the store cannot be written.
        """
        # Somebody who emptied the bucket took no lock: the lease is written again.
        if self._write(self._etag) or (self._etag is None and self._write(None)):
            return
        state = read_lease(self._store, self._path)
        self.taken_by = state.holder if state else "another process"

    def check(self) -> None:
        """Checks that the lease still belongs to this process, as far as it knows.

        Raises:
            LockedError: If another process has it now.
        """
        if self.taken_by:
            raise LockedError(
                f"{self._store.place()}: this process was silent for over {LEASE_S:.0f} s and "
                f"{self.taken_by} has gone on with it; leave it to that one"
            )

    def _release(self) -> None:
        if self.taken_by is None:
            # A lease that cannot be given up runs out.
            with contextlib.suppress(OSError):
                self._write(self._etag, released=True)
