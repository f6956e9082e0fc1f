"""Pool of engine processes that survives crashes, hangs and invalid answers of engines."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from texgen.core.config import CPU, EngineIdentity
from texgen.core.errors import (
    EngineStartError,
    RetryableEngineError,
    SampleError,
    WorkerCrashedError,
)
from texgen.core.limits import limit_error
from texgen.synthesis.engine_spec import EngineSpec, Scratch
from texgen.synthesis.process import EngineProcess, start_engine
from texgen.synthesis.protocol import Job, Texture
from texgen.synthesis.shared_engine import SharedEngine
from texgen.synthesis.threads import DaemonThreads

_START_ATTEMPTS = 3
_WINDOW_PER_ENGINE = 16
_MIN_WINDOW = 64
_WINDOW_ON_GPU = 1536
"""Samples in flight on a GPU: more than its worker accepts, so that it always has some waiting."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class EnginePool:
    """Engine processes, each driven by a thread of its own; a context manager.

    Processes start when they are first needed. A process that crashes, hangs or sends an invalid
    answer is killed and replaced, and its sample is retried. An engine on a GPU is one process
    that works on many samples at once.

    Args:
        spec: The engine.
        size: Number of processes; it does not matter on a GPU.
        timeout_s: Time limit for one texture in seconds; on a GPU for the next texture.
        retries: Number of retries of a sample whose process failed.
        scratch: Folder for the engines' temporary files; None is the system's folder.
        identity: Identity that the engine must report; None accepts any.
    """

    def __init__(
        self,
        spec: EngineSpec,
        size: int,
        *,
        timeout_s: float = 120.0,
        retries: int = 2,
        scratch: Path | None = None,
        identity: EngineIdentity | None = None,
    ) -> None:
        self._spec = spec
        self._identity = identity
        self._timeout_s = timeout_s
        self._retries = retries
        self._window = max(_MIN_WINDOW, _WINDOW_PER_ENGINE * size)
        self._threads = DaemonThreads(size, "texgen-engine", self._make)
        self._shared: SharedEngine | None = None
        if spec.device != CPU:
            self._window = _WINDOW_ON_GPU
            self._shared = SharedEngine(
                self._start, self._kill, timeout_s=timeout_s, retries=retries, on_retry=_log_retry
            )
        self._own = threading.local()
        self._guard = threading.Lock()
        self._processes: set[EngineProcess] = set()
        self._busy: set[str] = set()
        self._closed = False
        self._scratch = Scratch(scratch)

    def synthesize(self, job: Job) -> Texture:
        """Synthesises one texture.

        Raises:
            SampleError: If the engine fails to synthesise it.
            EngineStartError: If no engine process can be started.
            LimitError: If the system starts no thread for it.
        """
        return self._submit(job).result()

    def map(
        self, items: Iterable[tuple[T, Job | None]]
    ) -> Iterator[tuple[T, Texture | SampleError | None]]:
        """Synthesises textures in order, with a bounded number in flight.

        Args:
            items: Pairs of any object and its job, or None for no job; consumed only as fast as
                textures are synthesised.

        Yields:
            Each object with its texture, with the error that prevented it, or with None if it
            had no job.

        Raises:
            EngineStartError: If no engine process can be started.
        """
        without_job: Future[None] = Future()
        without_job.set_result(None)
        pending: deque[tuple[T, Future[Texture] | Future[None]]] = deque()
        try:
            for item, job in items:
                pending.append((item, self._submit(job) if job else without_job))
                while len(pending) >= self._window or (pending and pending[0][1].done()):
                    yield _outcome(*pending.popleft())
            while pending:
                yield _outcome(*pending.popleft())
        finally:
            for _, future in pending:
                future.cancel()

    def busy_with(self) -> list[str]:
        """Names of the jobs that engines work on now; a few of them on a GPU."""
        if self._shared:
            return self._shared.busy_with()
        with self._guard:
            return sorted(self._busy)

    def pids(self) -> list[int]:
        """Process ids of the running engines."""
        with self._guard:
            return sorted(process.pid for process in self._processes)

    def close(self) -> None:
        """Kills all engines; samples in flight fail."""
        with self._guard:
            self._closed = True
            for process in self._processes:
                process.terminate()
        self._threads.close()
        if self._shared:
            self._shared.close()
        for process in self._processes:
            process.kill()
        self._scratch.cleanup()

    def kill_engines(self) -> None:
        """Kills the running engines; takes no lock, so that a signal handler may call it.

        This is for a process that exits at once. An engine that is just being started is not
        killed here: it ends with the thread that starts it.
        """
        for process in tuple(self._processes):
            process.terminate()

    def __enter__(self) -> EnginePool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _submit(self, job: Job) -> Future[Texture]:
        try:
            return (self._shared or self._threads).submit(job)
        except RuntimeError as error:
            raise limit_error(error) or error from error

    def _make(self, job: Job) -> Texture:
        with self._marked_busy(job.name):
            for attempt in range(self._retries + 1):
                process = self._engine()
                try:
                    return process.ask(job, self._timeout_s)
                except RetryableEngineError as error:
                    self._discard(process)
                    if self._closed:
                        raise
                    _log_retry(job.name, attempt + 1, error)
                    if attempt == self._retries:
                        raise
            raise AssertionError  # the last attempt returns or raises

    @contextlib.contextmanager
    def _marked_busy(self, name: str) -> Iterator[None]:
        with self._guard:
            self._busy.add(name)
        try:
            yield
        finally:
            with self._guard:
                self._busy.discard(name)

    def _engine(self) -> EngineProcess:
        """Returns this thread's process, started if needed: a worker dies with its thread."""
        process: EngineProcess | None = getattr(self._own, "process", None)
        if process is None:
            process = self._own.process = self._start()
        return process

    def _start(self) -> EngineProcess:
        process = start_engine(self._spec, self._scratch, _START_ATTEMPTS)
        self._check_identity(process)
        if process.hello.device is not None:
            _log.info("%s makes textures on %s", socket.gethostname(), process.hello.device)
        with self._guard:
            self._processes.add(process)
            if not self._closed:
                return process
        # `close` ran before this process was listed.
        self._discard(process)
        raise WorkerCrashedError("engine_crashed", "the pool was closed")

    def _check_identity(self, process: EngineProcess) -> None:
        expected, actual = self._identity, process.identity
        if expected is None or actual == expected:
            return
        process.kill()
        difference = (
            f"{actual.name} {actual.version}, and the build's is {expected.name} {expected.version}"
        )
        if (actual.name, actual.version) == (expected.name, expected.version):
            difference = f"another {actual.name} {actual.version} than the build's"
        raise EngineStartError(
            f"the engine here is {difference}: install the same texgen on every node"
        )

    def _discard(self, process: EngineProcess) -> None:
        self._own.process = None
        self._kill(process)

    def _kill(self, process: EngineProcess) -> None:
        with self._guard:
            self._processes.discard(process)
        process.kill()


def _log_retry(name: str, attempt: int, error: SampleError) -> None:
    _log.warning("%s: try %d failed: %s", name, attempt, error)


def _outcome(
    item: T, future: Future[Texture] | Future[None]
) -> tuple[T, Texture | SampleError | None]:
    try:
        return item, future.result()
    except SampleError as error:
        return item, error
