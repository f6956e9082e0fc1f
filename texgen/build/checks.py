"""Checks of OUT before a build begins: whose files it holds, and its free space."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from texgen.core.errors import ConfigError, StorageError
from texgen.core.layout import DOWNLOAD, DOWNLOAD_FINGERPRINT
from texgen.core.text import escape_unprintable, format_bytes, pluralize
from texgen.dataset.index import FINISH_DOWNLOAD
from texgen.dataset.plan import Plan
from texgen.storage import Sink

_BYTES_PER_PIXEL = {"png": 1.7, "webp": 1.5, "jpg": 0.8}
"""Bytes of a texture for each pixel, rounded up from images of ImageNet at 224 px."""

_TAR_BYTES = 4096
"""Bytes of the headers and padding of a sample's members."""


@contextlib.contextmanager
def storage_errors_are_config_errors() -> Iterator[None]:
    """Raises `ConfigError` for a `StorageError`.

    Before any work an OUT that cannot be used is a wrong option; later it is a failed build.
    """
    try:
        yield
    except StorageError as error:
        raise ConfigError(str(error)) from error


def check_contents(sink: Sink, *, overwrite: bool = False) -> None:
    """Refuses an OUT that holds something other than a build; nothing is written to it.

    Args:
        sink: OUT.
        overwrite: Whether what texgen wrote there, a download too, will be deleted.

    Raises:
        ConfigError: If it does.
    """
    if unknown := sink.first_unknown_file():
        raise ConfigError(
            f"OUT holds {escape_unprintable(unknown)} and no texgen build; choose an empty or "
            "new OUT"
        )
    if not overwrite and DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        raise ConfigError(f"OUT holds {FINISH_DOWNLOAD}; choose another OUT for a build")


def bytes_needed(plan: Plan, rows: int) -> float:
    """Upper estimate of the bytes that ``rows`` more textures need."""
    pixels = int(plan.config["size"]) ** 2
    return rows * (pixels * _BYTES_PER_PIXEL[str(plan.config["format"])] + _TAR_BYTES)


def check_space(plan: Plan, rows: int, sink: Sink, workers: int = 1) -> None:
    """Refuses to begin what the disk cannot hold.

    Args:
        plan: The plan.
        rows: Textures that are left to build.
        sink: OUT.
        workers: Shards that are built on this machine at once; each has a draft beside OUT's files.

    Raises:
        ConfigError: If the textures that are left will not fit.
    """
    free = sink.free_bytes()
    needed = bytes_needed(plan, rows)
    if free is not None and needed > free:
        raise ConfigError(
            f"OUT has {format_bytes(free)} free, but the {pluralize(rows, 'texture')} left to "
            f"make need about {format_bytes(needed)}; make room, or choose an OUT on another disk"
        )
    free = sink.free_scratch_bytes()
    at_once = bytes_needed(plan, min(rows, workers * int(plan.config["samples_per_shard"])))
    if free is not None and at_once > free:
        raise ConfigError(
            f"the folder for unfinished shards has {format_bytes(free)} free, but about "
            f"{format_bytes(at_once)} are needed; make room, or set TMPDIR to another disk"
        )
