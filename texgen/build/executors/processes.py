"""Executor that builds shards in plain processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from types import FrameType

from texgen.build.executors import (
    Event,
    Executor,
    Failed,
    Progressed,
    ShardAttempt,
    ShardFinished,
    attempt_of,
)
from texgen.build.executors.task import close_warm_pool, kill_warm_engines, run_task
from texgen.build.shard import ShardTask
from texgen.core.errors import TexgenError
from texgen.core.identity import code_differs, code_identity
from texgen.core.launch import python_command
from texgen.core.limits import limit_error
from texgen.synthesis.engine_spec import GPU_VARIABLE

_STOP_S = 5.0
_TASK = "from texgen.build.executors.processes import serve; serve(*sys.argv[2:])"


class ProcessExecutor(Executor):
    """A fixed number of processes; a process that dies is replaced when it is next needed."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        # Read now: texgen may be reinstalled while the build runs.
        self._code = str(code_identity())
        self._idle: list[_Slot] = []
        self._busy: dict[ShardAttempt, _Slot] = {}
        self._begun: list[Event] = []

    def queue_capacity(self) -> int:
        """See `Executor.queue_capacity`."""
        return self._slots - len(self._busy)

    def submit(self, task: ShardTask) -> None:
        """See `Executor.submit`."""
        slot = self._idle.pop() if self._idle else _Slot(self._code, self._free_number())
        self._busy[attempt_of(task)] = slot
        # The attempt begins at once, so one that never reports is stuck and not queued.
        self._begun.append(Progressed(attempt_of(task)))
        # If the process died while it was idle, `wait` finds the end of its pipe.
        with contextlib.suppress(OSError):
            slot.pipe.send(task)

    def _free_number(self) -> int:
        taken = {slot.number for slot in self._busy.values()}
        return next(number for number in range(self._slots) if number not in taken)

    def wait(self, timeout_s: float) -> list[Event]:
        """See `Executor.wait`."""
        pipes = {slot.pipe: attempt for attempt, slot in self._busy.items()}
        ready = connection.wait(list(pipes), timeout_s)
        begun, self._begun = self._begun, []
        return begun + [event for pipe in ready for event in self._drain(pipes[pipe])]  # type: ignore[index]

    def _drain(self, attempt: ShardAttempt) -> list[Event]:
        slot = self._busy[attempt]
        events: list[Event] = []
        try:
            while slot.pipe.poll():
                event = slot.pipe.recv()
                if isinstance(event, TexgenError):
                    # It can run no task. The process ends after that, so it is not used again.
                    del self._busy[attempt]
                    slot.end(_STOP_S)
                    return [*events, Failed(attempt, event)]
                events.append(event)
                if isinstance(event, ShardFinished | Failed):
                    self._idle.append(self._busy.pop(attempt))
                    break
        except (EOFError, OSError):
            del self._busy[attempt]
            error = TexgenError(f"its process ended: {slot.end(_STOP_S)}")
            events.append(Failed(attempt, error))
        return events

    def cancel(self, attempt: ShardAttempt) -> None:
        """See `Executor.cancel`."""
        if slot := self._busy.pop(attempt, None):
            slot.end()

    def close(self) -> None:
        """See `Executor.close`."""
        slots = [*self._busy.values(), *self._idle]
        self._busy.clear()
        self._idle.clear()
        for slot in slots:
            slot.stop()
        for slot in slots:
            slot.end()


class _Slot:
    """A process and the pipe to it.

    A `multiprocessing.Process` would not do: it begins with imports from the current folder.

    Args:
        code: Code identity that the process must have.
        number: Number of the slot, from 0, which is that of its GPU too.

    Raises:
        OSError: If the system starts no further process.
    """

    def __init__(self, code: str, number: int) -> None:
        self.number = number
        self.pipe, theirs = Pipe()
        # Nothing is written to this pipe: it ends with the last process that holds the other end.
        self._lives, held = os.pipe()
        with theirs:
            line = [*python_command(_TASK), "texgen-task", str(theirs.fileno()), code]
            # Blocked in the child for good: a Ctrl-C might arrive before the child can ignore it.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                # Its standard input ends when this process does.
                self._process = subprocess.Popen(  # noqa: S603
                    line,
                    stdin=subprocess.PIPE,
                    pass_fds=[theirs.fileno(), held],
                    env={**os.environ, GPU_VARIABLE: str(number)},
                )
            except BaseException:
                os.close(self._lives)
                raise
            finally:
                os.close(held)
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def stop(self) -> None:
        """Asks the process to end; its engines end with it."""
        self._process.terminate()

    def end(self, patience_s: float = 0.0) -> str:
        """Gives the process time to end by itself, ends it, and returns how it ended, as text."""
        if not self._ended(patience_s):
            self._process.terminate()
            if not self._ended(_STOP_S):
                self._process.kill()
        code = self._process.wait()
        self.pipe.close()
        os.close(self._lives)
        if self._process.stdin:
            self._process.stdin.close()
        if code == -signal.SIGKILL:
            return f"signal {-code}, which the system sends if memory is used up"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _ended(self, patience_s: float) -> bool:
        # `Popen.wait` with a limit polls, by a clock that may jump.
        if not connection.wait([self._lives], patience_s):
            return self._process.poll() is not None
        self._process.wait()
        return True


def serve(descriptor: str, code: str) -> None:
    """Main function of a process: builds shard after shard until the pipe or the parent ends.

    Args:
        descriptor: File descriptor of the pipe's end, open in this process.
        code: `CodeIdentity` that this process must have, as text.
    """
    # Ctrl-C reaches the whole foreground group; the parent decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    pipe: Connection = Connection(int(descriptor))
    os.set_inheritable(int(descriptor), False)
    try:
        threading.Thread(target=_follow_parent, daemon=True).start()
    except RuntimeError as error:
        pipe.send(limit_error(error) or TexgenError(str(error)))
        return
    if (found := str(code_identity())) != code:
        pipe.send(code_differs(found, code))
        return
    guard = threading.Lock()

    def report(event: Event) -> None:
        with guard:
            pipe.send(event)

    try:
        while True:
            _answer(pipe.recv(), report)
    except (EOFError, OSError):
        pass
    finally:
        close_warm_pool()


def _end(number: int, frame: FrameType | None) -> None:
    # No stack is unwound: an exception raised by a signal handler may surface in the callback of
    # a weak reference, where it is printed and lost, and the process would live on. The driver
    # deletes what an attempt leaves in OUT's scratch.
    kill_warm_engines()
    os._exit(128 + number)


def _answer(task: ShardTask, report: Callable[[Event], None]) -> None:
    attempt = attempt_of(task)
    try:
        report(ShardFinished(attempt, run_task(task, report)))
    except TexgenError as error:
        report(Failed(attempt, error))


def _follow_parent() -> None:
    """Ends this process when its parent ends, even in the middle of a shard."""
    os.read(0, 1)
    os._exit(1)
