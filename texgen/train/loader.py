"""The loader: its processes, what they need of the machine, and how batches reach the trainer."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import queues
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from texgen.core import signals
from texgen.core.cpus import ranks_here
from texgen.core.errors import ConfigError, TexgenError
from texgen.core.temporary import find_short_folder
from texgen.core.text import format_bytes, pluralize
from texgen.train.loader_errors import (
    ENLARGE,
    SHARED_MEMORY,
    end_loader_process,
    free_shared_memory,
    loader_error,
    reason_pipe,
)
from texgen.train.pairs import EpochPosition, Sample

_AHEAD = 2
"""Batches that each process loads ahead if shared memory has room: torch's own number."""

_PAGE = 4096
_FLOAT = 4
_SOCKET_PATH = 103
"""Longest path of a socket in bytes: 107 on Linux, 103 on other systems."""

_SOCKET_NAME = len("/pymp-xxxxxxxx/listener-xxxxxxxx")
"""Bytes that `multiprocessing` adds to the path of the folder for temporary files."""


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """How many processes load, and how much they load at once.

    Attributes:
        workers: Number of loader processes; 0 loads in the calling process.
        batch: Samples in a batch.
        pixels: Numbers in a sample, each a float32.
        held: Batches that are in use while others are loaded.
        pin: Whether batches go to a CUDA device.
    """

    workers: int
    batch: int
    pixels: int
    held: int = 2
    pin: bool = False

    def ahead(self) -> int | None:
        """Batches that each process can load ahead in shared memory; None without processes.

        Raises:
            ConfigError: If /dev/shm has no room for one batch of each process.
        """
        if self.workers == 0:
            return None
        free = free_shared_memory()
        if free is None:
            return _AHEAD
        # Three pages more: a batch has up to three tensors, each a file of whole pages.
        batch = self.batch * self.pixels * _FLOAT + 3 * _PAGE
        ranks = ranks_here()
        for ahead in range(_AHEAD, 0, -1):
            if ranks * batch * (self.workers * ahead + self.held) <= free:
                return ahead
        fits = free // (ranks * batch) - self.held
        raise ConfigError(
            f"{SHARED_MEMORY} is too small: {pluralize(self.workers, 'loader process')}"
            f"{f' of each of {ranks} ranks' if ranks > 1 else ''} need "
            f"{format_bytes(ranks * batch * (self.workers + self.held))} there for batches of "
            f"{self.batch}, and {format_bytes(free)} are free; {ENLARGE}"
            f"{f'; --workers {fits} fits' if fits > 0 else ''}"
        )


def make_loader(
    data: Dataset[Sample],
    spec: LoaderSpec,
    order: Sampler[EpochPosition] | Sequence[EpochPosition] | None = None,
    *,
    again: bool = False,
) -> DataLoader[Sample]:
    """Returns a loader of batches.

    Args:
        data: Dataset of the samples.
        spec: Number of processes, and what they load.
        order: Order of the samples; None keeps the order of the dataset.
        again: Whether the loader is iterated over several times, and leaves out a partial batch.

    Raises:
        ConfigError: If the machine has no room for the loader processes.
    """
    processes: dict[str, Any] = {}
    # torch warns at each start of the processes; the command line warns once.
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
    if spec.workers:
        reason_pipe()
        processes = {
            "prefetch_factor": spec.ahead(),
            "worker_init_fn": partial(_prepare_process, socket_folder()),
            # From Python 3.14 on the default is a server process, which imports from the current
            # folder. On systems other than Linux a fork is not safe.
            "multiprocessing_context": "fork" if sys.platform == "linux" else None,
        }
    return DataLoader(
        data,
        spec.batch,
        sampler=order,
        num_workers=spec.workers,
        collate_fn=collate,
        # Without its own generator, the start of an epoch would use torch's random numbers.
        generator=torch.Generator(),
        persistent_workers=again and spec.workers > 0,
        pin_memory=spec.pin,
        drop_last=again,
        **processes,
    )


def raise_sample_errors(loader: Iterable[Sample]) -> Iterator[dict[str, Tensor]]:
    """Yields the batches of a loader.

    Raises:
        TexgenError: The first error that takes the place of a sample.
    """
    for batch in loader:
        if isinstance(batch, TexgenError):
            raise batch
        yield batch


def collate(samples: list[Sample]) -> Sample:
    """Returns a batch, or the first error among its samples."""
    if failed := next((one for one in samples if isinstance(one, TexgenError)), None):
        return failed
    try:
        batch: dict[str, Tensor] = default_collate(samples)
    except (RuntimeError, OSError, MemoryError) as error:
        # In a loader process batches are created in shared memory.
        if (explained := loader_error(error)) is None:
            raise
        return explained
    return batch


def socket_folder() -> str:
    """Returns a writable folder with a path short enough for the socket of a loader process.

    Raises:
        ConfigError: If there is no such folder.
    """
    longest = _SOCKET_PATH - _SOCKET_NAME
    folder = find_short_folder(longest)
    if folder is None:
        temporary = tempfile.gettempdir()
        raise ConfigError(
            f"TMPDIR={temporary} has a path of {len(os.fsencode(temporary))} bytes, and loader "
            f"processes need one of {longest} at most for their sockets: set TMPDIR to a shorter "
            "one, or use --workers 0"
        )
    return str(folder)


_END_AFTER_S = 120


def _end_later(number: int, frame: object) -> None:
    """Ends the process after a while.

    If a signal goes to the whole process group, the parent still finishes its step. The parent also
    sends SIGTERM when it ends, and then waits.
    """
    signal.alarm(_END_AFTER_S)


def _prepare_process(socket_folder: str, worker: int) -> None:
    """Prepares a loader process, whose samples draw no random numbers but their own."""
    signal.set_wakeup_fd(-1)
    for number in signals.SIGNALS:
        signal.signal(number, _end_later)
    torch.set_num_threads(1)
    tempfile.tempdir = socket_folder
    # Otherwise the trainer waits forever for a batch that the sending thread failed to send.
    hook = "_on_queue_feeder_error"
    setattr(queues.Queue, hook, staticmethod(lambda error, item: end_loader_process(error)))
    try:
        # What sending a batch needs: shared memory, a socket and a thread.
        shared: Any = torch.zeros(1)
        ForkingPickler.dumps(shared.share_memory_())
        threading.Thread(target=int).start()
    except (OSError, RuntimeError) as error:
        end_loader_process(error)
