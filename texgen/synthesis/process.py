"""One engine process: start, handshake, request, kill."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Iterator

from texgen.core.config import CPU, EngineIdentity
from texgen.core.errors import (
    EngineStartError,
    RetryableEngineError,
    WorkerCrashedError,
    WorkerGarbageError,
)
from texgen.core.errors import WorkerTimeoutError as Timeout
from texgen.core.limits import limit_error
from texgen.synthesis import protocol
from texgen.synthesis.engine_spec import EngineSpec, Scratch
from texgen.synthesis.protocol import Hello, Job, Texture

START_TIMEOUT_S = 60.0
START_ON_GPU_TIMEOUT_S = 600.0
"""A driver compiles the kernel at the first start, and a software GPU makes a self-test slowly."""

_READ = 1 << 18
_MAX_STDERR = 16 << 10
"""Most bytes of a worker's standard error that are kept for one sample."""

_log = logging.getLogger(__name__)


class EngineProcess:
    """A running worker. It is not thread-safe and bound to the thread that creates it.

    The kernel kills the worker when that thread ends, so that no worker outlives the thread
    that would talk to it.

    Raises:
        EngineStartError: If the program is missing or speaks another protocol.
        WorkerCrashedError: If it ended at once.
        WorkerTimeoutError: If it sent nothing within ``start_timeout_s``, which is
            `START_TIMEOUT_S` by default, and `START_ON_GPU_TIMEOUT_S` on a GPU.
    """

    def __init__(
        self, spec: EngineSpec, scratch: Scratch, start_timeout_s: float | None = None
    ) -> None:
        self._process = _start(spec.command(scratch))
        self._inbox = bytearray()
        self._outbox: deque[memoryview] = deque()
        self._stderr = bytearray()
        self._jobs = 0
        try:
            usual_s = START_TIMEOUT_S if spec.device == CPU else START_ON_GPU_TIMEOUT_S
            deadline = time.monotonic() + (start_timeout_s or usual_s)
            self.hello = protocol.decode_hello(self._next_frame(deadline))
            _check_version(self.hello)
        except BaseException:
            self.kill()
            raise

    @property
    def identity(self) -> EngineIdentity:
        """Identity that the engine reports."""
        hello = self.hello
        return EngineIdentity(hello.engine, hello.engine_version, hello.parameters, hello.encoders)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, job: Job, timeout_s: float) -> Texture:
        """Synthesises one texture.

        Raises:
            WorkerTimeoutError: If the worker does not answer in time; it must be killed.
            WorkerCrashedError: If the worker ended.
            WorkerGarbageError: If the answer is not valid; the worker must be killed.
            SampleError: If the engine reports an error; the worker can be used further.
        """
        job_id = self.send(job)
        try:
            frame = self._next_frame(time.monotonic() + timeout_s)
        finally:
            self.log_stderr(job.name)
        return protocol.decode_answer(frame, job_id, job)

    def send(self, job: Job) -> int:
        """Queues a job for `receive` to send, and returns its number.

        Raises:
            EngineSampleError: If the patches are too large for a frame.
        """
        frame = protocol.encode_job(self._jobs + 1, job)
        self._jobs += 1
        self._outbox.append(memoryview(frame))
        return self._jobs

    def receive(self, deadline: float, wake: int) -> bytes | None:
        """Sends what is queued, and returns the next frame, without its length.

        Args:
            deadline: Time of `time.monotonic` by which a frame must arrive.
            wake: Descriptor that interrupts the wait when it can be read; then it returns None.

        Raises:
            WorkerTimeoutError: If none arrives; the worker must be killed.
            WorkerCrashedError: If the worker ended.
            WorkerGarbageError: If the worker sends something else; it must be killed.
        """
        while (frame := self._take_frame()) is None:
            if wake in self._transfer(deadline, [wake]):
                return None
        return frame

    def log_stderr(self, name: str) -> None:
        """Logs what the worker wrote to its standard error, under the name of its job."""
        if self._stderr:
            text = self._stderr.decode("utf-8", "replace").strip()
            _log.warning("%s: the engine process says: %s", name, text.replace("\n", " | "))
            self._stderr.clear()

    def terminate(self) -> None:
        """Kills the process; any thread may call it, and the owner then sees that it ended."""
        self._process.kill()

    def kill(self) -> None:
        """Kills the process and closes its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _next_frame(self, deadline: float) -> bytes:
        """Sends what is queued, and returns the next frame, which must be the only one."""
        while (frame := self._take_frame()) is None:
            self._transfer(deadline, [])
        if self._inbox:
            raise WorkerGarbageError("engine_garbage", "bytes after the answer")
        return frame

    def _transfer(self, deadline: float, others: list[int]) -> set[int]:
        """Waits once, and reads and writes what it can; returns the descriptors that were ready."""
        stdin, stdout, stderr = _descriptors(self._process)
        writable = [stdin] if self._outbox else []
        ready = self._ready([stdout, stderr, *others], writable, deadline)
        # It is read first, so that the message of a crash is there when the end shows.
        if stderr in ready:
            self._stderr += self._read(stderr)[: _MAX_STDERR - len(self._stderr)]
        if stdout in ready:
            self._inbox += self._read(stdout)
        if stdin in ready:
            frame = self._outbox.popleft()
            if left := frame[self._write(stdin, frame) :]:
                self._outbox.appendleft(left)
        return ready

    def _take_frame(self) -> bytes | None:
        head = protocol.LENGTH.size
        if len(self._inbox) < head:
            return None
        (length,) = protocol.LENGTH.unpack_from(self._inbox)
        if not 0 < length <= protocol.MAX_FRAME:
            raise WorkerGarbageError("engine_garbage", f"a frame of {length} bytes")
        if len(self._inbox) < head + length:
            return None
        with memoryview(self._inbox) as inbox:
            frame = bytes(inbox[head : head + length])
        del self._inbox[: head + length]
        return frame

    def _ready(self, readable: list[int], writable: list[int], deadline: float) -> set[int]:
        poll = select.poll()
        for descriptor in readable:
            poll.register(descriptor, select.POLLIN)
        for descriptor in writable:
            poll.register(descriptor, select.POLLOUT)
        left = deadline - time.monotonic()
        events = poll.poll(max(0.0, left) * 1000)
        if not events:
            raise Timeout("engine_timeout", "killed")
        return {descriptor for descriptor, _ in events}

    def _read(self, descriptor: int) -> bytes:
        if data := os.read(descriptor, _READ):
            return data
        raise self._crashed()

    def _write(self, descriptor: int, data: memoryview) -> int:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise self._crashed() from None

    def _crashed(self) -> WorkerCrashedError:
        self._process.kill()
        code = self._process.wait()
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        last = self._stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return WorkerCrashedError("engine_crashed", f"{end}; {last}" if last else end)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)  # noqa: S603
    except OSError as error:
        reason = limit_error(error) or f"{error.strerror}; install texgen again"
        raise EngineStartError(f"cannot start {command[0]}: {reason}") from error
    for descriptor in _descriptors(process):
        os.set_blocking(descriptor, False)
    return process


def _descriptors(process: subprocess.Popen[bytes]) -> tuple[int, int, int]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("an engine process without pipes")
    return process.stdin.fileno(), process.stdout.fileno(), process.stderr.fileno()


def _check_version(hello: Hello) -> None:
    if hello.protocol != protocol.PROTOCOL:
        raise EngineStartError(
            f"texgen-worker {hello.worker} speaks protocol {hello.protocol}, this texgen "
            f"{protocol.PROTOCOL}: run `pip install .` again, on every node"
        )


def start_engine(
    spec: EngineSpec, scratch: Scratch, attempts: int = 1, timeout_s: float | None = None
) -> EngineProcess:
    """Starts an engine process; all but the last of the attempts may fail.

    Raises:
        EngineStartError: If the engine cannot be started.
    """
    for attempt in range(1, attempts + 1):
        try:
            process = EngineProcess(spec, scratch, timeout_s)
        except RetryableEngineError as error:
            failure = error
            if attempts > 1:
                _log.warning("try %d to start an engine failed: %s", attempt, error)
            continue
        return process
    raise EngineStartError(
        f"the engine {spec.name!r} does not start: {failure.detail}"
    ) from failure


@contextlib.contextmanager
def running_engine(spec: EngineSpec, timeout_s: float | None = None) -> Iterator[EngineProcess]:
    """Runs an engine process, with a scratch folder, while the context is open.

    The start may take ``timeout_s`` seconds; None takes the limits of `EngineProcess`.

    Raises:
        EngineStartError: If the engine cannot be started.
    """
    scratch = Scratch()
    with contextlib.ExitStack() as stack:
        stack.callback(scratch.cleanup)
        process = start_engine(spec, scratch, timeout_s=timeout_s)
        stack.callback(process.kill)
        yield process


def identify(spec: EngineSpec) -> EngineIdentity:
    """Starts an engine once and returns the identity that it reports.

    Raises:
        EngineStartError: If it cannot be started.
    """
    with running_engine(spec) as process:
        return process.identity
