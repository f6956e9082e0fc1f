"""What commands print as their result, and the files that they write for people."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from texgen.core.errors import ConfigError, OutputError, StorageError
from texgen.core.text import escape_unprintable

_Item = TypeVar("_Item")

CLOSED_PIPE = 128 + signal.SIGPIPE
"""Exit code that shells report for a program ended by a closed pipe; 1 would report a fault."""


def print_result(data: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Prints a command's result on standard output: ``data`` as JSON, or ``lines`` for people.

    Raises:
        Exit: With `CLOSED_PIPE`, if nobody reads it any more.
        OutputError: If it cannot be written for another reason.
    """
    if as_json:
        _print(json.dumps(data))
    else:
        print_lines(*lines)


def print_lines(*lines: str) -> None:
    """Prints lines on standard output; a name with a line break in it stays on one line.

    Raises:
        Exit, OutputError: See `print_result`.
    """
    _print("\n".join(map(escape_unprintable, lines)))


def first_lines(
    items: Sequence[_Item], most: int, line: Callable[[_Item], str], noun: str = "more"
) -> Iterator[str]:
    """Yields a line for each of the first items, and one that counts the others."""
    yield from map(line, items[:most])
    if len(items) > most:
        yield f"  … and {len(items) - most} {noun}; --json lists them all"


def _print(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError as error:
        # Click itself would end with exit code 1.
        raise click.exceptions.Exit(CLOSED_PIPE) from error
    except OSError as error:
        raise OutputError(
            f"standard output cannot be written ({error.strerror}); only the printed text is lost: "
            "redirect it elsewhere and run the same command again"
        ) from error


def check_target(
    option: str,
    target: Path,
    suffixes: Collection[str],
    apart: Mapping[str, str | None] | None = None,
) -> None:
    """Refuses a file that cannot or should not be written, before any work is done.

    Args:
        option: Option that names the file, such as ``--out``.
        target: File to write.
        suffixes: Endings that its name may have, in lower case.
        apart: Folders that must not contain it, by the names that the error uses; None is ignored.

    Raises:
        ConfigError: If the file is refused; names the reason and what to do.
    """
    fault = None
    if target.suffix.lower() not in suffixes:
        fault = f": the name must end in {', '.join(suffixes)}"
    elif target.is_dir():
        fault = " is a folder; name a file"
    elif not target.parent.is_dir():
        fault = f": there is no folder {target.parent}; make it"
    elif target.exists() and not target.is_file():
        fault = " is not a regular file; name another"
    elif not os.access(target.parent, os.W_OK):
        fault = f": the folder {target.parent} cannot be written to; name another"
    if fault:
        raise ConfigError(f"{option} {target}{fault}")
    for name, folder in (apart or {}).items():
        # The folder of a link counts as well as the file that it leads to.
        if folder is not None and (lies_in(target.parent, folder) or lies_in(target, folder)):
            raise ConfigError(f"{option} {target} lies inside {name}; name a file elsewhere")


def check_not_read(option: str, target: Path, read: Iterable[object]) -> None:
    """Refuses to overwrite a file that the same command reads, under any of its names.

    Among the paths in ``read``, texts that are not paths of files are ignored.

    Raises:
        ConfigError: If one of them is the same file, or a link to it.
    """
    for path in map(str, read):
        with contextlib.suppress(OSError, ValueError):
            if target.samefile(path):
                raise ConfigError(
                    f"{option} {target} is the file {path}, which is read; name another"
                )


def check_folder(option: str, folder: str, action: str, out: str | None) -> None:
    """Refuses a target that is no folder, or inside the data set that is copied.

    Raises:
        ConfigError: If ``folder`` is a URL, or lies in the folder ``out``.
    """
    if "://" in folder:
        raise ConfigError(f"{option} {folder} is a URL; name a folder to {action} to")
    if out is not None and lies_in(folder, out):
        raise ConfigError(f"{option} {folder} lies inside the data set {out}; name another folder")


def lies_in(place: str | Path, folder: str) -> bool:
    """Whether a file or folder, or what it links to, lies in a folder or is this folder."""
    return Path(place).resolve().is_relative_to(Path(folder).resolve())


def write_file(target: Path, data: bytes) -> None:
    """Writes a file in one step: it appears whole, or not at all.

    Raises:
        StorageError: If it cannot be written.
    """
    part = target.with_name(f".texgen-{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StorageError(f"cannot write {target}: {error.strerror}") from error
