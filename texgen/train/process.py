"""A training process: its rank among others, its time, and how it is stopped."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import torch
import torch.distributed as dist

from texgen import signals
from texgen.errors import ConfigError
from texgen.train.distributed import world


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
        rate = images * self._steps * world()[1] / span
        share = self._waited / span
        self._begin, self._waited, self._steps = now, 0.0, 0
        return {"images_per_s": rate, "data_share": share}


class Stop:
    """Takes Ctrl-C and SIGTERM while it is entered; ``number`` is that of the signal, or 0."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> Stop:
        self._kept = signals.kept()
        self._kept.__enter__()
        signals.catch(self._take)
        return self

    def __exit__(self, *error: object) -> None:
        self._kept.__exit__(None, None, None)

    def _take(self, number: int, frame: object) -> None:
        if self.number:
            signals.leave(number, "stopped")
        self.number = number


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
def ranks(wanted: str | None) -> Iterator[torch.device]:
    """Joins the other ranks, where `torchrun` has started several.

    Args:
        wanted: See `choose_device`.

    Yields:
        Where this process computes.

    Raises:
        ConfigError: If there is no such device.
    """
    device = choose_device(wanted)
    if "RANK" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()
