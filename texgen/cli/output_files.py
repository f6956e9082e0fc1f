"""Files that commands write for people: a texture, a sheet, a page."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from texgen.core.errors import ConfigError, StorageError


def check_target(
    option: str,
    target: Path,
    suffixes: Iterable[str],
    apart: Mapping[str, str | None] | None = None,
) -> None:
    """Refuses what could not be written, or should not be, before any work is done.

    Args:
        option: That names it, such as ``--out``.
        target: The file.
        suffixes: What its name may end in, in lower case.
        apart: Folders that it must not lie in, by what they are called; None is no folder.

    Raises:
        ConfigError: With what to name instead.
    """
    suffixes = list(suffixes)
    mend = None
    if target.suffix.lower() not in suffixes:
        mend = f": the name must end in {', '.join(suffixes)}"
    elif target.is_dir():
        mend = " is a folder; name a file"
    elif not target.parent.is_dir():
        mend = f": there is no folder {target.parent}; make it"
    elif target.exists() and not target.is_file():
        mend = " is not a regular file; name another"
    elif not os.access(target.parent, os.W_OK):
        mend = f": the folder {target.parent} cannot be written to; name another"
    if mend:
        message = f"{option} {target}{mend}"
        raise ConfigError(message)
    for name, folder in (apart or {}).items():
        if folder is not None and _lies_in(target, folder):
            message = f"{option} {target} lies inside {name}; name a file elsewhere"
            raise ConfigError(message)


def check_not_read(option: str, target: Path, read: Iterable[object]) -> None:
    """Refuses to write over a file that the same command reads, by whatever name.

    Args:
        option: That names the file to write, such as ``--out``.
        target: The file to write.
        read: Paths of what is read; what is no path of a file there may be among them.

    Raises:
        ConfigError: If one of them is the same file, also as a link.
    """
    for path in map(str, read):
        with contextlib.suppress(OSError, ValueError):
            if target.samefile(path):
                message = f"{option} {target} is the file {path}, which is read; name another"
                raise ConfigError(message)


def check_apart(option: str, folder: str, out: str) -> None:
    """Refuses to write a folder of files into the data set that they are made of.

    Args:
        option: That names the folder, such as ``--to``.
        folder: The one to write to.
        out: The data set's.

    Raises:
        ConfigError: If one is the other, or lies in it.
    """
    inside, outside = Path(folder).resolve(), Path(out).resolve()
    if inside == outside or outside in inside.parents:
        message = f"{option} {folder} lies in {out}, whose files are the data set's; name another"
        raise ConfigError(message)


def _lies_in(target: Path, folder: str) -> bool:
    # Where the file itself is, and where it leads to if it is a link.
    inside = {target.parent.resolve(), target.resolve().parent}
    return any(Path(folder).resolve() in (place, *place.parents) for place in inside)


def write_file(target: Path, data: bytes) -> None:
    """Puts a file in place in one step.

    Raises:
        StorageError: If it cannot be written; then nothing is left of it.
    """
    part = target.with_name(f".texgen-{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        message = f"cannot write {target}: {error.strerror}"
        raise StorageError(message) from error
