"""Progress on standard error: a live bar on a terminal, elsewhere a line every 30 seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from texgen.build import BuildMonitor, BuildProgress
from texgen.core.text import escape_unprintable, format_bytes, pluralize
from texgen.verify import OnVerifyProgress, VerifyProgress

_LINE_EVERY_S = 30.0
_RATE_OVER_S = 60.0

_METRICS = {
    "loss": "loss {:.3f}",
    "top1": "top-1 {:.1f} %",
    "ns_share": "NS {:.1%} of the denominator",
    "positive": "positive {:.2f}",
    "negative": "negative {:.2f}",
    "nonsemantic": "NS {:.2f}",
    "images_per_s": "{:.0f} images/s",
    "data_share": "{:.0%} in data",
}


@contextlib.contextmanager
def build_progress(*, quiet: bool) -> Iterator[BuildMonitor]:
    """Shows a build while it is open."""
    with _open(quiet, BarColumn(), TextColumn("{task.description}")) as display:
        yield _RateView(display, describe_build)


@contextlib.contextmanager
def verify_progress(*, quiet: bool) -> Iterator[OnVerifyProgress]:
    """Shows a verification while it is open."""
    with _open(quiet, BarColumn(), TextColumn("{task.description}")) as display:
        yield _RateView(display, describe_check).update


@contextlib.contextmanager
def transfer_progress(*, quiet: bool, of_bytes: bool) -> Iterator[Callable[[int, int], None]]:
    """Shows a transfer while it is open.

    Yields:
        Function to call with the number of bytes, or of files, that are done, and the total.
    """
    columns = [DownloadColumn(), TransferSpeedColumn()] if of_bytes else [MofNCompleteColumn()]
    text = format_bytes if of_bytes else str
    with _open(quiet, BarColumn(), *columns, TimeRemainingColumn()) as display:
        yield lambda done, total: display.update(
            done, total, lambda: f"{text(done)} of {text(total)}"
        )


@contextlib.contextmanager
def training_progress(
    *, quiet: bool, unit: str = "step"
) -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """Shows a training run while it is open.

    Yields:
        Function to call with the number of units done, the total, and the last metrics by name.
    """
    columns = (BarColumn(20), TimeRemainingColumn(), TextColumn("{task.description}"))
    with _open(quiet, *columns, first_and_last=True) as display:
        yield lambda done, total, metrics: display.update(
            done, total, lambda: f"{unit} {done} of {total}: {_metrics_text(metrics)}"
        )


def _metrics_text(metrics: dict[str, float]) -> str:
    return ", ".join(
        text.format(metrics[name]) for name, text in _METRICS.items() if name in metrics
    )


@contextlib.contextmanager
def _open(
    quiet: bool, *columns: ProgressColumn, first_and_last: bool = False
) -> Iterator[_Display]:
    if quiet or sys.stderr is None:
        yield _Display()
    elif sys.stderr.isatty():
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield _Bar(progress)
    else:
        yield _Lines(first_and_last=first_and_last)


class _Display:
    """Shows nothing."""

    def update(self, done: int, total: int, describe: Callable[[], str]) -> None: ...

    def print(self, message: str) -> None: ...


class _Bar(_Display):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)

    def update(self, done: int, total: int, describe: Callable[[], str]) -> None:
        self._progress.update(self._task, completed=done, total=total, description=describe())

    def print(self, message: str) -> None:
        self._progress.console.print(escape_unprintable(message), markup=False, highlight=False)


class _Lines(_Display):
    """A line every 30 seconds, and at once for the first and the last update if asked to."""

    def __init__(self, *, first_and_last: bool) -> None:
        self._next = time.monotonic() + (0.0 if first_and_last else _LINE_EVERY_S)
        self._last = first_and_last

    def update(self, done: int, total: int, describe: Callable[[], str]) -> None:
        now = time.monotonic()
        if now >= self._next or (self._last and done == total):
            self._next = now + _LINE_EVERY_S
            self.print(describe())

    def print(self, message: str) -> None:
        # The work continues if nobody reads its progress any more.
        with contextlib.suppress(OSError):
            click.echo(escape_unprintable(message), err=True)


_Count = TypeVar("_Count", BuildProgress, VerifyProgress)


class _RateView(Generic[_Count]):
    """Shows a count, and its rate per second over the last minute, in one line."""

    def __init__(self, display: _Display, describe: Callable[[_Count, float], str]) -> None:
        self._display = display
        self._describe: Callable[[_Count, float], str] = describe
        self._points: deque[tuple[float, int]] = deque()

    def update(self, count: _Count) -> None:
        now = time.monotonic()
        # A smaller number is that of another count, which has just started.
        if self._points and count.done < self._points[-1][1]:
            self._points.clear()
        self._points.append((now, count.done))
        while now - self._points[0][0] > _RATE_OVER_S and len(self._points) > 2:
            self._points.popleft()
        self._display.update(
            count.done, count.total, lambda: self._describe(count, self._per_second())
        )

    def message(self, message: str) -> None:
        self._display.print(message)

    def _per_second(self) -> float:
        (start, first), (end, last) = self._points[0], self._points[-1]
        return (last - first) / (end - start) if end > start else 0.0


def describe_build(status: BuildProgress, rate: float) -> str:
    """Returns a line such as ``12/240 images, 0.71 textures/s, 0:05:21 left, 0 failed``."""
    images = f"{status.images}/{status.images_total} images"
    return f"{images}, {_pace(status, rate)}, {status.failed} failed"


def describe_check(checked: VerifyProgress, rate: float) -> str:
    """Returns ``12/240 textures checked, 310.00 textures/s, 0:05:21 left, 0 faults``."""
    action = "rebuilt" if checked.rebuilding else "checked"
    textures = f"{checked.done}/{checked.total} textures {action}"
    return f"{textures}, {_pace(checked, rate)}, {pluralize(checked.faults, 'fault')}"


def _pace(count: BuildProgress | VerifyProgress, rate: float) -> str:
    left = "-:--:--"
    if rate > 0:
        minutes, seconds = divmod(int((count.total - count.done) / rate), 60)
        left = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    return f"{rate:.2f} textures/s, {left} left"
