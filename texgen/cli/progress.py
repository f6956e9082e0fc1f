"""Progress on standard error: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from texgen.build import BuildMonitor, BuildStatus
from texgen.core.text import escape_unprintable, pluralize
from texgen.verify import Checked, OnChecked

LINE_EVERY_S = 30.0
_RATE_OVER_S = 60.0


class _Counted(Protocol):
    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


C = TypeVar("C", bound=_Counted)
Describe = Callable[[C, float], str]
"""A state and its rate a second, in one line."""


@contextlib.contextmanager
def open_view(*, quiet: bool) -> Iterator[BuildMonitor | None]:
    """A build's view that fits standard error; None with ``quiet`` or where that is closed."""
    with _open(describe, quiet) as view:
        yield view


@contextlib.contextmanager
def open_check_view(*, quiet: bool) -> Iterator[OnChecked]:
    """What shows how far a check is; nothing where `open_view` has no view."""
    with _open(describe_check, quiet) as view:
        yield view.update if view else lambda _: None


@contextlib.contextmanager
def _open(describe: Describe[C], quiet: bool) -> Iterator[_Bar[C] | _Lines[C] | None]:
    if quiet or sys.stderr is None:
        yield None
    elif sys.stderr.isatty():
        with _Bar(describe) as bar:
            yield bar
    else:
        yield _Lines(describe)


class _Rate:
    """Textures a second over the last minute, and the time that is left."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, done: int) -> None:
        now = time.monotonic()
        # Another count has begun.
        if self._points and done < self._points[-1][1]:
            self._points.clear()
        self._points.append((now, done))
        while now - self._points[0][0] > _RATE_OVER_S and len(self._points) > 2:
            self._points.popleft()

    def per_second(self) -> float:
        (start, first), (end, last) = self._points[0], self._points[-1]
        return (last - first) / (end - start) if end > start else 0.0


def describe(status: BuildStatus, rate: float) -> str:
    """``12/240 images, 0.71 textures/s, 0:05:21 left, 0 failed``."""
    return (
        f"{status.images}/{status.images_total} images, {rate:.2f} textures/s, "
        f"{_left(status, rate)} left, {status.failed} failed"
    )


def describe_check(checked: Checked, rate: float) -> str:
    """``12/240 textures checked, 310.00 textures/s, 0:05:21 left, 0 faults``."""
    what = "textures made anew" if checked.anew else "textures checked"
    return (
        f"{checked.done}/{checked.total} {what}, {rate:.2f} textures/s, "
        f"{_left(checked, rate)} left, {pluralize(checked.faults, 'fault')}"
    )


def _left(counted: _Counted, rate: float) -> str:
    return _time((counted.total - counted.done) / rate) if rate > 0 else "-:--:--"


def _time(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


class _Bar(Generic[C]):
    def __init__(self, describe: Describe[C]) -> None:
        self._describe = describe
        self._progress = Progress(
            BarColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._rate = _Rate()

    def update(self, status: C) -> None:
        self._rate.add(status.done)
        self._progress.update(
            self._task,
            total=status.total,
            completed=status.done,
            description=self._describe(status, self._rate.per_second()),
        )

    def say(self, message: str) -> None:
        self._progress.console.print(escape_unprintable(message), markup=False, highlight=False)

    def __enter__(self) -> _Bar[C]:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()


class _Lines(Generic[C]):
    def __init__(self, describe: Describe[C]) -> None:
        self._describe = describe
        self._rate = _Rate()
        self._last = time.monotonic()

    def update(self, status: C) -> None:
        self._rate.add(status.done)
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            self.say(self._describe(status, self._rate.per_second()))

    def say(self, message: str) -> None:
        # Whoever read it may have gone; the build goes on.
        with contextlib.suppress(OSError):
            click.echo(escape_unprintable(message), err=True)
