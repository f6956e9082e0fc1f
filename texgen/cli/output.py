"""What commands print as their result, and the files that they write for people."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from texgen.core.errors import ConfigError, OutputError, StorageError
from texgen.core.text import escape_unprintable

CLOSED_PIPE = 128 + signal.SIGPIPE
"""Exit code that shells report for a program ended by a closed pipe; 1 would report a fault."""


def print_result(data: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Prints a command's result on standard output, as JSON or for people.

    Args:
        data: The result for programs.
        lines: The result for people.
        as_json: Whether ``--json`` was given.

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


def first_lines(lines: Sequence[str], most: int, noun: str = "more") -> Iterator[str]:
    """Yields lines of a list up to a number, and how many more there are."""
    yield from lines[:most]
    if len(lines) > most:
        yield f"  … and {len(lines) - most} {noun}; --json lists them all"


def _print(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError as error:
        # Click itself would end with exit code 1.
        raise click.exceptions.Exit(CLOSED_PIPE) from error
    except OSError as error:
        message = (
            f"standard output cannot be written ({error.strerror}); only the printed text is lost: "
            "redirect it elsewhere and run the same command again"
        )
        raise OutputError(message) from error


def check_target(
    option: str,
    target: Path,
    suffixes: Iterable[str],
    apart: Mapping[str, str | None] | None = None,
) -> None:
    """Refuses a file that cannot or should not be written, before any work is done.

    Args:
        option: Option that names the file, such as ``--out``.
        target: The file.
        suffixes: Endings that its name may have, in lower case.
        apart: Folders that must not contain it, by the names that the error uses; None is ignored.

    Raises:
        ConfigError: If the file is refused; names the reason and what to do.
    """
    suffixes = list(suffixes)
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
        message = f"{option} {target}{fault}"
        raise ConfigError(message)
    for name, folder in (apart or {}).items():
        # The folder of a link counts as well as the file that it leads to.
        if folder is not None and (lies_in(target.parent, folder) or lies_in(target, folder)):
            message = f"{option} {target} lies inside {name}; name a file elsewhere"
            raise ConfigError(message)


def check_not_read(option: str, target: Path, read: Iterable[object]) -> None:
    """Refuses to overwrite a file that the same command reads, under any of its names.

    Args:
        option: Option that names the file to write, such as ``--out``.
        target: The file to write.
        read: Paths of files that are read; texts that are not paths of files are ignored.

    Raises:
        ConfigError: If one of them is the same file, or a link to it.
    """
    for path in map(str, read):
        with contextlib.suppress(OSError, ValueError):
            if target.samefile(path):
                message = f"{option} {target} is the file {path}, which is read; name another"
                raise ConfigError(message)


def check_apart(option: str, folder: str, out: str) -> None:
    """Refuses a target folder inside the data set that is copied.

    Args:
        option: Option that names the folder, such as ``--to``.
        folder: Folder to write to.
        out: Folder of the data set.

    Raises:
        ConfigError: If ``folder`` is ``out`` or lies in it.
    """
    if lies_in(folder, out):
        message = f"{option} {folder} lies inside the data set {out}; name another folder"
        raise ConfigError(message)


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
        message = f"cannot write {target}: {error.strerror}"
        raise StorageError(message) from error
