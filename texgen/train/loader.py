"""The loader: its processes, what they need of the machine, and how they hand batches on."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import queues
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from texgen.core import signals
from texgen.core.errors import ConfigError, TexgenError
from texgen.core.text import format_bytes, pluralize
from texgen.train.loader_errors import (
    ENLARGE,
    SHARED_MEMORY,
    free_shared_memory,
    give_up,
    loader_error,
    reports,
)
from texgen.train.pairs import EpochPosition, Sample

_AHEAD = 2
"""Batches that a process makes ahead, where shared memory has room: torch's own number."""

_PAGE = 4096
_FLOAT = 4
_SOCKET_PATH = 103
"""Bytes that the path of a socket may have: 107 on Linux, 103 on others."""

_SOCKET_NAME = len("/pymp-xxxxxxxx/listener-xxxxxxxx")
"""Below the folder for temporary files, by `multiprocessing`."""

_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run/shm")  # noqa: S108 - TMPDIR comes first


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """Who loads, and how much at once.

    Attributes:
        workers: Processes; with 0 the calling one loads.
        batch: Samples in a batch.
        pixels: Numbers in a sample, float32.
        held: Batches that are in use while others are made.
        seed: Of transforms that draw for themselves.
        rank: This process's among those that train.
        pin: Whether batches go to a CUDA device.
    """

    workers: int
    batch: int
    pixels: int
    held: int = 2
    seed: int = 0
    rank: int = 0
    pin: bool = False

    def ahead(self) -> int | None:
        """Batches that each process makes ahead, as many as shared memory holds; None without.

        Raises:
            ConfigError: If /dev/shm has no room for one of each.
        """
        if self.workers == 0:
            return None
        free = free_shared_memory()
        if free is None:
            return _AHEAD
        # Some pages more: a batch has up to three parts, each a file of whole pages.
        batch = self.batch * self.pixels * _FLOAT + 3 * _PAGE
        ranks = _ranks_here()
        for ahead in range(_AHEAD, 0, -1):
            if ranks * batch * (self.workers * ahead + self.held) <= free:
                return ahead
        fits = free // (ranks * batch) - self.held
        message = (
            f"{SHARED_MEMORY} is too small: {pluralize(self.workers, 'loader process')}"
            f"{f' of each of {ranks} ranks' if ranks > 1 else ''} need "
            f"{format_bytes(ranks * batch * (self.workers + self.held))} there for batches of "
            f"{self.batch}, and {format_bytes(free)} are free; {ENLARGE}"
            f"{f'; --workers {fits} fits' if fits > 0 else ''}"
        )
        raise ConfigError(message)


def make_loader(
    data: Dataset[Sample],
    spec: LoaderSpec,
    order: Sampler[EpochPosition] | Sequence[EpochPosition] | None = None,
    *,
    again: bool = False,
) -> DataLoader[Sample]:
    """Loads samples in batches.

    Args:
        data: Gives samples, or in the place of one a `TexgenError`.
        spec: Who loads.
        order: Of the samples; None is the data's own.
        again: Whether it is gone through several times, whole batches alone.

    Raises:
        ConfigError: If the machine has no room for the loader's processes.
    """
    processes: dict[str, Any] = {}
    # At each start of them; the command line says it once.
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
    if spec.workers:
        reports()
        processes = {
            "prefetch_factor": spec.ahead(),
            "worker_init_fn": LoaderProcess(spec.seed, spec.rank, socket_folder()),
            # From Python 3.14 on another process starts them, which imports from the current
            # folder. Elsewhere than on Linux a fork is not safe.
            "multiprocessing_context": "fork" if sys.platform == "linux" else None,
        }
    return DataLoader(
        data,
        spec.batch,
        sampler=order,
        num_workers=spec.workers,
        collate_fn=collate,
        # Its own, so that starting an epoch leaves torch's random numbers alone.
        generator=torch.Generator(),
        persistent_workers=again and spec.workers > 0,
        pin_memory=spec.pin,
        drop_last=again,
        **processes,
    )


def raise_sample_errors(loader: Iterable[Sample]) -> Iterator[dict[str, Tensor]]:
    """The batches of a loader.

    Raises:
        TexgenError: The first that stands in the place of a sample.
    """
    for batch in loader:
        if isinstance(batch, TexgenError):
            raise batch
        yield batch


def collate(samples: list[Sample]) -> Sample:
    """A batch, or the first error among its samples."""
    raise_sample_errors = [sample for sample in samples if not isinstance(sample, TexgenError)]
    if len(raise_sample_errors) < len(samples):
        return next(sample for sample in samples if isinstance(sample, TexgenError))
    try:
        batch: dict[str, Tensor] = default_collate(raise_sample_errors)
    except (RuntimeError, OSError, MemoryError) as error:
        # In a loader process batches are made in shared memory.
        if (found := loader_error(error)) is None:
            raise
        return found
    return batch


def socket_folder() -> str:
    """A folder in which the path of a loader process's socket is not too long.

    Raises:
        ConfigError: If there is none that can be written.
    """
    place = tempfile.gettempdir()
    if _has_room(place):
        return place
    for other in _SHORT_FOLDERS:
        if os.path.isdir(other) and os.access(other, os.W_OK | os.X_OK):  # noqa: PTH112
            return other
    message = (
        f"TMPDIR={place}: its path has {len(os.fsencode(place))} bytes, sockets take "
        f"{_SOCKET_PATH - _SOCKET_NAME}, and {_SHORT_FOLDERS[0]} cannot be written; name a "
        "shorter one, or take --workers 0"
    )
    raise ConfigError(message)


def _has_room(place: str) -> bool:
    return len(os.fsencode(place)) + _SOCKET_NAME <= _SOCKET_PATH


def _ranks_here() -> int:
    """Ranks that share this machine, as torchrun says."""
    try:
        return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    except ValueError:
        return 1


_LATER_S = 120


def _end_later(number: int, frame: object) -> None:
    """Where a whole group is told to stop, its parent still makes the step that it is at.

    It also sends SIGTERM at its own end, and then waits.
    """
    signal.alarm(_LATER_S)


class LoaderProcess:
    """Prepares a loader's process: signals, sockets, random numbers by (seed, rank, worker).

    Args:
        seed: Of transforms that draw for themselves.
        rank: Of the process that it loads for.
        folder: For its socket.
    """

    def __init__(self, seed: int, rank: int, folder: str) -> None:
        self._seed, self._rank, self._folder = seed, rank, folder

    def __call__(self, worker: int) -> None:
        """Called in the process, with its number."""
        signal.set_wakeup_fd(-1)
        for number in signals.SIGNALS:
            signal.signal(number, _end_later)
        torch.set_num_threads(1)
        tempfile.tempdir = self._folder
        # What fails in the thread that sends would otherwise be waited for without an end.
        hook = "_on_queue_feeder_error"
        setattr(queues.Queue, hook, staticmethod(lambda error, item: give_up(error)))
        try:
            _try_to_send()
        except (OSError, RuntimeError) as error:
            give_up(error)
        text = f"{self._seed}/{self._rank}/{worker}"
        random.seed(text)
        torch.manual_seed(random.getrandbits(63))
        np.random.seed(random.getrandbits(32))  # noqa: NPY002 - what such transforms use


def _try_to_send() -> None:
    """Does once what sending a batch takes: shared memory, a socket, a thread for each."""
    shared: Any = torch.zeros(1)
    ForkingPickler.dumps(shared.share_memory_())
    threading.Thread(target=int).start()
