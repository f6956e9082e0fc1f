"""One engine process that works on many jobs at once, as those on a GPU do."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from texgen.core.errors import (
    RetryableEngineError,
    SampleError,
    TexgenError,
    WorkerCrashedError,
    WorkerGarbageError,
)
from texgen.synthesis import protocol
from texgen.synthesis.process import EngineProcess
from texgen.synthesis.protocol import Job, Texture

_IDLE_S = 3600.0
_BUSY = 3
"""Number of jobs that `SharedEngine.busy_with` names."""

OnRetry = Callable[[str, int, SampleError], None]
"""Reports that a try failed: name of the job, number of the try, error."""


@dataclass(eq=False, slots=True)
class _Request:
    """A job on its way to its texture.

    Attributes:
        suspect: Whether it is one of the jobs on which a process failed; it is then tried alone.
        tries: Failed tries in which the engine worked on this job alone.
    """

    job: Job
    future: Future[Texture] = field(default_factory=Future)
    suspect: bool = False
    tries: int = 0


class SharedEngine:
    """Sends jobs to one process, as many at once as it accepts, from a thread of its own.

    If the process crashes, hangs or sends an invalid answer, it is killed and started again, and
    nobody knows which of its jobs was the cause. Each of them is therefore tried alone, and only
    a failure of that try counts.

    Args:
        start: Starts the process; called in the thread, with which the process ends.
        discard: Kills a process.
        timeout_s: Longest time without an answer while the process has jobs, in seconds.
        retries: Number of retries of a job whose process failed.
        on_retry: See `OnRetry`.
    """

    def __init__(
        self,
        start: Callable[[], EngineProcess],
        discard: Callable[[EngineProcess], None],
        *,
        timeout_s: float,
        retries: int,
        on_retry: OnRetry,
    ) -> None:
        self._start = start
        self._discard = discard
        self._timeout_s = timeout_s
        self._retries = retries
        self._on_retry = on_retry
        self._guard = threading.Lock()
        self._waiting: deque[_Request] = deque()
        self._suspects: deque[_Request] = deque()
        self._running: dict[int, _Request] = {}
        self._closed = False
        self._thread: threading.Thread | None = None
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)

    def submit(self, job: Job) -> Future[Texture]:
        """Schedules a job.

        Raises:
            RuntimeError: After `close`, or if the system starts no thread.
        """
        request = _Request(job)
        with self._guard:
            if self._closed:
                raise RuntimeError("the engine was closed")
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name="texgen-engine", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.append(request)
        self._interrupt()
        return request.future

    def busy_with(self) -> list[str]:
        """Names of the jobs that the engine received first."""
        with self._guard:
            return [request.job.name for request in list(self._running.values())[:_BUSY]]

    def close(self) -> None:
        """Ends the thread; jobs without an answer fail or are cancelled."""
        with self._guard:
            self._closed = True
        self._interrupt()
        if self._thread is not None:
            self._thread.join()
        for descriptor in (self._wake, self._waker):
            os.close(descriptor)

    def _interrupt(self) -> None:
        # A full pipe wakes the thread as well.
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def _serve(self) -> None:
        try:
            while not self._closed:
                self._serve_with_one_process()
        finally:
            self._fail_all(WorkerCrashedError("engine_crashed", "the pool was closed"))

    def _serve_with_one_process(self) -> None:
        """Works until the process fails or the pool is closed."""
        process: EngineProcess | None = None
        try:
            process = self._start()
            self._work(process)
        except RetryableEngineError as error:
            self._blame(error)
        except TexgenError as error:
            self._fail_all(error)
        finally:
            if process is not None:
                self._discard(process)

    def _work(self, process: EngineProcess) -> None:
        """Exchanges jobs and answers with a process until the pool is closed."""
        deadline = time.monotonic() + _IDLE_S
        while not self._closed:
            if self._send(process):
                deadline = time.monotonic() + self._timeout_s
            elif not self._running:
                deadline = time.monotonic() + _IDLE_S
            frame = process.receive(deadline, self._wake)
            if frame is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            else:
                self._answer(frame)
                deadline = time.monotonic() + self._timeout_s
            process.log_stderr("a batch of textures")

    def _send(self, process: EngineProcess) -> bool:
        """Sends waiting jobs; returns whether the process had none and has some now."""
        was_idle = not self._running
        while request := self._take(process.hello.capacity):
            try:
                job_id = process.send(request.job)
            except SampleError as error:
                request.future.set_exception(error)
                continue
            with self._guard:
                self._running[job_id] = request
        return was_idle and bool(self._running)

    def _take(self, capacity: int) -> _Request | None:
        """Returns the next job to send; a suspect only once nothing else runs."""
        with self._guard:
            if self._suspects:
                return None if self._running else self._suspects.popleft()
            is_alone = any(request.suspect for request in self._running.values())
            while self._waiting and len(self._running) < capacity and not is_alone:
                request = self._waiting.popleft()
                if request.future.set_running_or_notify_cancel():
                    return request
        return None

    def _answer(self, frame: bytes) -> None:
        job_id = protocol.answered_id(frame)
        request = self._running.get(job_id)
        if request is None:
            raise WorkerGarbageError("engine_garbage", f"an answer to job {job_id}")
        try:
            texture = protocol.decode_answer(frame, job_id, request.job)
        except WorkerGarbageError:
            raise
        except SampleError as error:
            self._finish(job_id).future.set_exception(error)
        else:
            self._finish(job_id).future.set_result(texture)

    def _finish(self, job_id: int) -> _Request:
        with self._guard:
            return self._running.pop(job_id)

    def _blame(self, error: SampleError) -> None:
        """Retries the jobs of a process that failed, each of them alone."""
        with self._guard:
            failed = list(self._running.values())
            self._running.clear()
        if len(failed) == 1:
            (request,) = failed
            request.tries += 1
            self._on_retry(request.job.name, request.tries, error)
            if request.tries > self._retries or self._closed:
                request.future.set_exception(error)
                return
        for request in failed:
            request.suspect = True
        with self._guard:
            self._suspects.extendleft(reversed(failed))

    def _fail_all(self, error: TexgenError) -> None:
        with self._guard:
            failed = [*self._running.values(), *self._suspects, *self._waiting]
            self._running.clear()
            self._suspects.clear()
            self._waiting.clear()
        for request in failed:
            if request.future.running() or request.future.set_running_or_notify_cancel():
                request.future.set_exception(error)
