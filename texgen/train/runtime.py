"""A training process: its device, and how signals stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import torch

from texgen.core import signals
from texgen.core.errors import ConfigError

Notify = Callable[[str], None]
"""Shows a line to the user."""

_SAME_STOP_S = 2.0
"""Time within which a second signal counts as the first: terminal and torchrun both send one."""

_NOTIFY_AFTER_S = 5.0


class Stop:
    """Catches Ctrl-C and SIGTERM; ``number`` is the caught signal, or 0.

    A second signal ends the process at once, even if the main thread waits in native code for
    another rank, which no Python handler interrupts. Some seconds after a signal, ``notify`` gets
    a line that says what the run waits for.
    """

    def __init__(self, notify: Notify) -> None:
        self.number = 0
        self._notify = notify
        self._since: float | None = None
        self._over = threading.Event()

    @contextlib.contextmanager
    def catching(self) -> Iterator[None]:
        """Catches signals inside."""
        with signals.kept(), contextlib.ExitStack() as stack:
            signals.catch(self._take)
            if threading.current_thread() is threading.main_thread():
                reader, writer = os.pipe()
                # Ends the thread, which closes the other end.
                stack.callback(os.close, writer)
                os.set_blocking(writer, False)
                before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
                stack.callback(signal.set_wakeup_fd, before)
                threading.Thread(
                    target=self._watch, args=[reader], name="texgen-stop", daemon=True
                ).start()
            stack.callback(self._over.set)
            yield

    def _take(self, number: int, frame: object) -> None:
        self.number = self.number or number

    def _watch(self, reader: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as signals_sent:
            while sent := signals_sent.read(1):
                if sent[0] in signals.SIGNALS:
                    self._on_signal(sent[0])

    def _on_signal(self, number: int) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            timer = threading.Timer(_NOTIFY_AFTER_S, self._explain_wait)
            timer.daemon = True
            timer.start()
        elif now - self._since > _SAME_STOP_S:
            signals.leave(number, "stopped")

    def _explain_wait(self) -> None:
        if not self._over.is_set():
            self._notify(
                "stopping after a checkpoint of the current step (with several ranks, of the next "
                "step that is logged); a second signal ends the run at once"
            )


def choose_device(wanted: str | None) -> torch.device:
    """Returns the device ``cpu`` or ``cuda``; None selects CUDA if there is a CUDA device.

    Raises:
        ConfigError: If there is no such device.
    """
    cuda = torch.cuda.is_available()
    if wanted == "cuda" and not cuda:
        raise ConfigError("--device cuda: torch finds no CUDA device here; leave it out")
    return torch.device(wanted or ("cuda" if cuda else "cpu"))
