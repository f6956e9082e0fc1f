"""How far a transfer is, on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from texgen.core.text import format_bytes

_LINE_EVERY_S = 30.0

OnProgress = Callable[[int, int], None]
"""Called with how much is done, and how much there is in all."""


@contextlib.contextmanager
def transfer_bar(*, quiet: bool, of_bytes: bool) -> Iterator[OnProgress]:
    """Shows a transfer while it is open.

    Args:
        quiet: Whether to show nothing.
        of_bytes: Whether bytes are counted, or files.
    """
    if quiet or sys.stderr is None:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        counted = DownloadColumn() if of_bytes else MofNCompleteColumn()
        speed = [TransferSpeedColumn()] if of_bytes else []
        console = Console(stderr=True)
        with Progress(
            BarColumn(), counted, *speed, TimeRemainingColumn(), console=console, transient=True
        ) as bar:
            task = bar.add_task("", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _lines(of_bytes=of_bytes)


Seen = Callable[[int, int, dict[str, float]], None]
"""Called with steps done, steps in all, and the last metrics."""

_SHOWN = {
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
def metrics_bar(*, quiet: bool, unit: str = "step") -> Iterator[Seen]:
    """Shows a training run while it is open.

    Args:
        quiet: Whether to show nothing.
        unit: What is counted.
    """
    if quiet or sys.stderr is None:
        yield lambda done, total, row: None
    elif sys.stderr.isatty():
        columns = (BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(), "{task.description}")
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda done, total, row: bar.update(
                task, completed=done, total=total, description=_metrics_text(row)
            )
    else:
        yield _metrics_lines(unit)


def _metrics_lines(unit: str) -> Seen:
    last = -math.inf

    def tell(done: int, total: int, row: dict[str, float]) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S or done == total:
            last = time.monotonic()
            with contextlib.suppress(OSError):
                click.echo(f"{unit} {done} of {total}: {_metrics_text(row)}", err=True)

    return tell


def _metrics_text(row: dict[str, float]) -> str:
    return ", ".join(text.format(row[name]) for name, text in _SHOWN.items() if name in row)


def _lines(*, of_bytes: bool) -> OnProgress:
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            shown = [format_bytes(n) if of_bytes else str(n) for n in (done, total)]
            # Whoever read it may have gone; the transfer goes on.
            with contextlib.suppress(OSError):
                click.echo(f"{shown[0]} of {shown[1]}", err=True)

    return tell
