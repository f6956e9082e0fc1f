"""What is checked of OUT before a build begins: whose files it holds, and its free space."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from texgen.core.errors import ConfigError, StorageError
from texgen.core.layout import DOWNLOAD, DOWNLOAD_FINGERPRINT
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import FINISH_DOWNLOAD
from texgen.dataset.plan import Plan
from texgen.storage import Sink

_BYTES_PER_PIXEL = {"png": 1.7, "webp": 1.5, "jpg": 0.8}
"""Rounded up from photographs of ImageNet at 224 px."""

_TAR_BYTES = 4096
"""Headers and padding of a sample's members."""


@contextlib.contextmanager
def before_any_work() -> Iterator[None]:
    """An OUT that cannot be used at all is a wrong option; later, it is a build that failed."""
    try:
        yield
    except StorageError as error:
        raise ConfigError(str(error)) from error


def check_empty(sink: Sink, *, overwrite: bool = False) -> None:
    """Refuses an OUT that holds something, but no build; nothing is written to it.

    Args:
        sink: OUT.
        overwrite: Whether what texgen wrote there, a download too, is to be thrown away.

    Raises:
        ConfigError: If it does.
    """
    if foreign := sink.first_unknown_file():
        message = f"OUT is not empty and not a texgen build (it holds {foreign}); name a new one"
        raise ConfigError(message)
    if not overwrite and DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        message = f"OUT holds {FINISH_DOWNLOAD}; name another OUT for a build"
        raise ConfigError(message)


def bytes_needed(plan: Plan, rows: int) -> float:
    """Bytes that ``rows`` more textures may need, an upper estimate."""
    pixels = int(plan.config["size"]) ** 2
    return rows * (pixels * _BYTES_PER_PIXEL[str(plan.config["format"])] + _TAR_BYTES)


def check_space(plan: Plan, rows: int, sink: Sink, workers: int = 1) -> None:
    """Refuses to begin what the disk cannot hold.

    Args:
        plan: Of the build.
        rows: Textures that are left to make.
        sink: OUT.
        workers: Shards that may be in the making at once on this machine.

    Raises:
        ConfigError: If the textures that are left will not fit.
    """
    free = sink.free_bytes()
    needed = bytes_needed(plan, rows)
    if free is not None and needed > free:
        message = (
            f"OUT has {format_bytes(free)} free, the {pluralize(rows, 'texture')} left to make "
            f"need about {format_bytes(needed)}; make room, or name an OUT on another disk"
        )
        raise ConfigError(message)
    free = sink.free_scratch_bytes()
    at_once = bytes_needed(plan, min(rows, workers * int(plan.config["samples_per_shard"])))
    if free is not None and at_once > free:
        message = (
            f"the folder for unfinished shards has {format_bytes(free)} free, about "
            f"{format_bytes(at_once)} are needed; make room, or set TMPDIR to another disk"
        )
        raise ConfigError(message)
