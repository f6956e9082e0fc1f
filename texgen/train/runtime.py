"""A training process: its rank among others, its time, and how it is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

import torch
import torch.distributed as dist

from texgen.core import signals
from texgen.core.errors import ConfigError
from texgen.train.distributed import rank_and_world_size
from texgen.train.rank_environment import Ranks, device_of
from texgen.train.rendezvous import Say, join

_ONE_STOP_S = 2.0
"""A terminal and torchrun both send a signal for one Ctrl-C."""

_TELL_AFTER_S = 5.0


class Clock:
    """Images a second, and the part of the time that is spent waiting for data."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._waited = 0.0
        self._steps = 0

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Counts what is done inside as waiting, and as one step."""
        begin = time.perf_counter()
        yield
        self._waited += time.perf_counter() - begin
        self._steps += 1

    def read(self, images: int) -> dict[str, float]:
        """Since the last reading, given the images of a step of this rank."""
        now = time.perf_counter()
        span = max(now - self._begin, 1e-9)
        rate = images * self._steps * rank_and_world_size()[1] / span
        share = self._waited / span
        self._begin, self._waited, self._steps = now, 0.0, 0
        return {"images_per_s": rate, "data_share": share}


class Stop:
    """Takes Ctrl-C and SIGTERM while it is entered; ``number`` is that of the signal, or 0.

    A second one ends the process at once, even where the main thread waits in native code for
    another rank, which no handler of Python interrupts.

    Args:
        say: Told after some seconds what is waited for.
    """

    def __init__(self, say: Say = lambda line: None) -> None:
        self.number = 0
        self._say = say
        self._since: float | None = None
        self._over = threading.Event()

    def __enter__(self) -> Stop:
        self._kept = signals.kept()
        self._kept.__enter__()
        signals.catch(self._take)
        self._reader = -1
        if threading.current_thread() is threading.main_thread():
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            threading.Thread(target=self._watch, name="texgen-stop", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._reader >= 0:
            signal.set_wakeup_fd(self._before)
            # Ends the thread, which closes the other end.
            os.close(self._writer)
        self._kept.__exit__(None, None, None)

    def _take(self, number: int, frame: object) -> None:
        self.number = self.number or number

    def _watch(self) -> None:
        with os.fdopen(self._reader, "rb", buffering=0) as signals_sent:
            while sent := signals_sent.read(1):
                if sent[0] in signals.SIGNALS:
                    self._heed(sent[0])

    def _heed(self, number: int) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            timer = threading.Timer(_TELL_AFTER_S, self._tell)
            timer.daemon = True
            timer.start()
        elif now - self._since > _ONE_STOP_S:
            signals.leave(number, "stopped")

    def _tell(self) -> None:
        if not self._over.is_set():
            self._say(
                "stopping after a checkpoint of the step that is being made (with several ranks, "
                "of the next one that is logged); a second signal ends it at once"
            )


def choose_device(wanted: str | None) -> torch.device:
    """``cpu`` or ``cuda``; None takes CUDA where it is.

    Raises:
        ConfigError: If there is no such device.
    """
    cuda = torch.cuda.is_available()
    if wanted == "cuda" and not cuda:
        raise ConfigError("--device cuda: torch finds no CUDA here; leave it out")
    return torch.device(wanted or ("cuda" if cuda else "cpu"))


@contextlib.contextmanager
def joined(
    ranks: Ranks | None, wanted: str | None, timeout_s: float, say: Say
) -> Iterator[torch.device]:
    """Joins the other ranks, where there are some.

    Args:
        ranks: See `texgen.train.rank_environment.ranks_of`.
        wanted: See `choose_device`.
        timeout_s: How long ranks wait for each other.
        say: Told for whom they wait.

    Yields:
        Where this process computes.

    Raises:
        ConfigError: If there is no such device, or this process cannot join.
        RankError: If another rank does not come.
    """
    device = choose_device(wanted)
    if ranks is None:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", device_of(os.environ, torch.cuda.device_count()))
        torch.cuda.set_device(device)
    join(ranks, device, timeout_s, say)
    try:
        yield device
    finally:
        dist.destroy_process_group()
