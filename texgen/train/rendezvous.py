"""How ranks meet, and the errors if one does not come or is lost.

torch's rendezvous waits in native code, which no signal interrupts, and prints nothing. Therefore
it runs in a thread, in steps that each know what they wait for, while the calling thread receives
signals.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from texgen.core.errors import ConfigError, TexgenError
from texgen.core.text import format_duration
from texgen.train.rank_environment import Ranks, local_cuda_device
from texgen.train.runtime import Notify, choose_device

_CHECK_EVERY_S = 0.05
_RETRY_EVERY_S = 0.3
_NOTIFY_AFTER_S, _NOTIFY_EVERY_S = 5.0, 60.0
_CONNECT_TIMEOUT_S = 5.0
_GLOO_FILE = re.compile(r"^\[\S+:[0-9]+\] ")


class RankError(TexgenError):
    """Another rank did not come, ended or does not answer."""


@contextlib.contextmanager
def joined_ranks(
    ranks: Ranks | None, wanted: str | None, timeout_s: float, notify: Notify
) -> Iterator[torch.device]:
    """Joins the other ranks, and leaves them at the end; a single process joins nothing.

    It waits for another rank for ``timeout_s`` at the longest, at the start and for each later
    answer, and ``notify`` gets a line that says which ranks it waits for.

    Yields:
        The device of this process, see `choose_device`.

    Raises:
        ConfigError: If there is no such device, or this process cannot join.
        RankError: If another rank does not come in time.
    """
    device = choose_device(wanted)
    if ranks is None:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", local_cuda_device(os.environ, torch.cuda.device_count()))
        torch.cuda.set_device(device)
    _join(ranks, device, timeout_s, notify)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def _join(ranks: Ranks, device: torch.device, timeout_s: float, notify: Notify) -> None:
    if not dist.is_available():
        raise ConfigError(f"RANK={ranks.rank}: this torch was built without torch.distributed")
    meeting = _Meeting(ranks, device, timeout_s)
    threading.Thread(target=meeting.run, name="texgen-ranks", daemon=True).start()
    begin = time.monotonic()
    next_notice = begin + _NOTIFY_AFTER_S
    while not meeting.over.wait(_CHECK_EVERY_S):
        now = time.monotonic()
        if now - begin > timeout_s:
            raise RankError(
                f"rank {ranks.rank}: gave up {meeting.waits} after {format_duration(timeout_s)} "
                "(--rank-timeout); give all ranks the same MASTER_ADDR, MASTER_PORT and "
                "WORLD_SIZE, and start them together"
            )
        if now > next_notice:
            next_notice = now + _NOTIFY_EVERY_S
            notify(
                f"rank {ranks.rank}: {meeting.waits}, {format_duration(timeout_s)} at most "
                "(--rank-timeout)"
            )
    if meeting.error is not None:
        raise _explained(ranks, meeting.error) from meeting.error


class _Meeting:
    """Thread in which ranks meet.

    Attributes:
        over: Event that is set once the ranks have met, or cannot meet.
        error: Error because of which they cannot meet; None without one.
        waits: Text that says which ranks this one waits for.
    """

    def __init__(self, ranks: Ranks, device: torch.device, timeout_s: float) -> None:
        self._ranks, self._device = ranks, device
        self._limit = timedelta(seconds=timeout_s)
        self._address = f"{ranks.host}:{ranks.port}"
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.waits = f"waiting to meet {ranks.count} ranks at {self._address}"

    def run(self) -> None:
        try:
            self._meet()
        except BaseException as error:  # noqa: BLE001 - raised where the meeting is waited for
            self.error = error
        self.over.set()

    def _meet(self) -> None:
        ranks = self._ranks
        if ranks.listens:
            # Its OSError explains a taken port better than the error of torch's store.
            socket.create_server(("", ranks.port)).close()
        self._reach()
        torch_dist: Any = dist
        tcp = torch_dist.TCPStore(
            ranks.host,
            ranks.port,
            ranks.count,
            is_master=ranks.listens,
            timeout=self._limit,
            wait_for_workers=False,
        )
        # Ranks that torchrun has restarted meet under another prefix.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = torch_dist.PrefixStore(f"texgen/{attempt}", tcp)
        self._wait_for_all(store)
        if self._device.type == "cuda":
            # Each thread has its own current device.
            torch.cuda.set_device(self._device)
        dist.init_process_group(
            "nccl" if self._device.type == "cuda" else "gloo",
            store=store,
            rank=ranks.rank,
            world_size=ranks.count,
            timeout=self._limit,
        )

    def _reach(self) -> None:
        """Waits until the address is known and a process listens there."""
        ranks = self._ranks
        while (reason := _unreachable(ranks)) is not None:
            missing = "its own name" if ranks.listens else f"rank 0 of {ranks.count}"
            self.waits = (
                f"waiting for {missing} at {self._address} (MASTER_ADDR and MASTER_PORT: {reason})"
            )
            time.sleep(_RETRY_EVERY_S)
        self.waits = (
            f"waiting for an answer of rank 0 at {self._address} (another program may listen there)"
        )

    def _wait_for_all(self, store: Any) -> None:  # noqa: ANN401 - not every torch has their type
        """Waits until every rank has come."""
        ranks = self._ranks
        store.set(str(ranks.rank), "here")
        while missing := [r for r in range(ranks.count) if not store.check([str(r)])]:
            named = ", ".join(map(str, missing[:3])) + (", …" if len(missing) > 3 else "")
            number = f"{len(missing)} of {ranks.count} ranks"
            self.waits = f"waiting for {number} at {self._address} (rank {named})"
            time.sleep(_RETRY_EVERY_S)
        self.waits = f"waiting until all {ranks.count} ranks are connected"


def _unreachable(ranks: Ranks) -> str | None:
    """Returns the reason why the address of rank 0 cannot be reached; None if it can be."""
    try:
        if ranks.listens:
            socket.getaddrinfo(ranks.host, ranks.port, type=socket.SOCK_STREAM)
        else:
            socket.create_connection((ranks.host, ranks.port), _CONNECT_TIMEOUT_S).close()
    except (OSError, UnicodeError) as error:
        return _reason(error)
    return None


def _explained(ranks: Ranks, error: BaseException) -> TexgenError:
    if isinstance(error, TexgenError):
        return error
    reason = _reason(error)
    if isinstance(error, OSError) and ranks.listens:
        return ConfigError(
            f"MASTER_PORT={ranks.port}: rank 0 cannot listen there ({reason}); set it to a free "
            "port for all ranks"
        )
    return RankError(
        f"rank {ranks.rank} of {ranks.count} cannot join the others at MASTER_ADDR={ranks.host}, "
        f"MASTER_PORT={ranks.port} ({reason}); start all ranks again"
    )


@contextlib.contextmanager
def lost_ranks(hint: Callable[[], str]) -> Iterator[None]:
    """Explains errors of torch's communication: another rank is lost, and ``hint`` helps.

    Raises:
        RankError: If torch's communication fails.
    """
    try:
        yield
    except RuntimeError as error:
        # Gloo raises plain RuntimeErrors, whose texts name its source file.
        joined = dist.is_available() and dist.is_initialized()
        if not joined or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise RankError(
            f"rank {dist.get_rank()} lost another of {dist.get_world_size()} ranks: it ended, or "
            f"did not answer within --rank-timeout ({_first_line(error)}); {hint()}"
        ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else _first_line(error)


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # Gloo puts its source file before the reason, and advice after it.
    return _GLOO_FILE.sub("", line).partition(" This is typically")[0].rstrip(".")
