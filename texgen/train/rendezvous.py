"""How ranks meet, and what is said where one does not come or is lost.

torch's own meeting waits in native code, which no signal reaches, and says nothing. So it happens
in a thread, in steps that each know whom they wait for, while the calling thread hears signals.
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
from texgen.train.rank_environment import Ranks

Say = Callable[[str], None]
"""Tells a person a line."""

_LOOK_EVERY_S = 0.05
_ASK_EVERY_S = 0.3
_TELL_AFTER_S, _TELL_EVERY_S = 5.0, 60.0
_CONNECT_S = 5.0
_GLOO_FILE = re.compile(r"^\[\S+:[0-9]+\] ")


class RankError(TexgenError):
    """Another rank did not come, went away or does not answer."""


def join(ranks: Ranks, device: torch.device, timeout_s: float, say: Say) -> None:
    """Waits for all ranks, and has torch connect them.

    Args:
        ranks: See `texgen.train.rank_environment.ranks_of`.
        device: Where this one computes.
        timeout_s: Of the wait, and later of each answer.
        say: Told after some seconds for whom it waits.

    Raises:
        ConfigError: If this process cannot listen, or torch has no ranks.
        RankError: If some rank does not come in time.
    """
    if not dist.is_available():
        message = f"RANK={ranks.rank}: this torch was built without torch.distributed"
        raise ConfigError(message)
    meeting = _Meeting(ranks, device, timeout_s)
    threading.Thread(target=meeting.run, name="texgen-ranks", daemon=True).start()
    begin = told = time.monotonic()
    while not meeting.over.wait(_LOOK_EVERY_S):
        now = time.monotonic()
        if now - begin > timeout_s:
            message = (
                f"rank {ranks.rank}: gave up {meeting.waits} after {format_duration(timeout_s)} "
                "(--rank-timeout); give all ranks the same MASTER_ADDR, MASTER_PORT and "
                "WORLD_SIZE, and start them together"
            )
            raise RankError(message)
        if now - told > (_TELL_AFTER_S if told == begin else _TELL_EVERY_S):
            told = now
            say(
                f"rank {ranks.rank}: {meeting.waits}, {format_duration(timeout_s)} at most "
                "(--rank-timeout)"
            )
    if meeting.error is not None:
        raise _explained(ranks, meeting.error) from meeting.error


class _Meeting:
    """The thread in which ranks meet.

    Attributes:
        over: Set when they have met, or cannot.
        error: Why they cannot.
        waits: For whom this rank waits.
    """

    def __init__(self, ranks: Ranks, device: torch.device, timeout_s: float) -> None:
        self._ranks, self._device = ranks, device
        self._limit = timedelta(seconds=timeout_s)
        self._place = f"{ranks.host}:{ranks.port}"
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.waits = f"waiting to meet {ranks.count} ranks at {self._place}"

    def run(self) -> None:
        try:
            self._meet()
        except BaseException as error:  # noqa: BLE001 - raised where the meeting is waited for
            self.error = error
        self.over.set()

    def _meet(self) -> None:
        ranks = self._ranks
        if ranks.listens:
            _check_port(ranks.port)
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
        # Ranks that torchrun has started again meet anew.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = torch_dist.PrefixStore(f"texgen/{attempt}", tcp)
        self._gather(store)
        if self._device.type == "cuda":
            # A thread has a device of its own.
            torch.cuda.set_device(self._device)
        dist.init_process_group(
            "nccl" if self._device.type == "cuda" else "gloo",
            store=store,
            rank=ranks.rank,
            world_size=ranks.count,
            timeout=self._limit,
        )

    def _reach(self) -> None:
        """Until the address is known, and somebody listens there."""
        ranks = self._ranks
        while (reason := _unreachable(ranks)) is not None:
            whom = "its own name" if ranks.listens else f"rank 0 of {ranks.count}"
            self.waits = (
                f"waiting for {whom} at {self._place} (MASTER_ADDR and MASTER_PORT: {reason})"
            )
            time.sleep(_ASK_EVERY_S)
        self.waits = (
            f"waiting for an answer of rank 0 at {self._place} (another program may listen there)"
        )

    def _gather(self, store: Any) -> None:  # noqa: ANN401 - torch's stores have no type where it lacks them
        """Until every rank has come."""
        ranks = self._ranks
        store.set(str(ranks.rank), "here")
        while missing := [r for r in range(ranks.count) if not store.check([str(r)])]:
            named = ", ".join(map(str, missing[:3])) + (", …" if len(missing) > 3 else "")
            self.waits = (
                f"waiting for {len(missing)} of {ranks.count} ranks at {self._place} (rank {named})"
            )
            time.sleep(_ASK_EVERY_S)
        self.waits = f"waiting until all {ranks.count} ranks are connected"


def _unreachable(ranks: Ranks) -> str | None:
    """Why the place where ranks meet cannot be reached, or None."""
    try:
        if ranks.listens:
            socket.getaddrinfo(ranks.host, ranks.port, type=socket.SOCK_STREAM)
        else:
            socket.create_connection((ranks.host, ranks.port), _CONNECT_S).close()
    except (OSError, UnicodeError) as error:
        return _reason(error)
    return None


def _check_port(port: int) -> None:
    """Raises `OSError` where this process cannot listen."""
    socket.create_server(("", port)).close()


def _explained(ranks: Ranks, error: BaseException) -> TexgenError:
    if isinstance(error, TexgenError):
        return error
    reason = _reason(error)
    if isinstance(error, OSError) and ranks.listens:
        return ConfigError(
            f"MASTER_PORT={ranks.port}: rank 0 cannot listen there ({reason}); set it to a free "
            "one for all ranks"
        )
    return RankError(
        f"rank {ranks.rank} of {ranks.count} cannot join the others at MASTER_ADDR={ranks.host}, "
        f"MASTER_PORT={ranks.port} ({reason}); start all ranks again"
    )


@contextlib.contextmanager
def lost_ranks(after: Callable[[], str]) -> Iterator[None]:
    """Says that another rank is lost where torch's communication fails.

    Args:
        after: How to go on.

    Raises:
        RankError: Instead of what torch raises.
    """
    try:
        yield
    except RuntimeError as error:
        # Gloo's errors have no type of their own, and name its source file.
        ours = dist.is_available() and dist.is_initialized()
        if not ours or not (isinstance(error, _dist_error()) or "gloo" in str(error)):
            raise
        message = (
            f"rank {dist.get_rank()} lost another of {dist.get_world_size()} ranks: it ended, or "
            f"did not answer within --rank-timeout ({_first_line(error)}); {after()}"
        )
        raise RankError(message) from error


def _dist_error() -> type[Exception]:
    found: type[Exception] = getattr(dist, "DistError", RankError)
    return found


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else _first_line(error)


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # Gloo's source file in front, and its advice behind.
    return _GLOO_FILE.sub("", line).partition(" This is typically")[0].rstrip(".")
