"""What commands print as their result."""

from __future__ import annotations

import signal

import click

from texgen.core.errors import OutputError
from texgen.core.text import escape_unprintable

CLOSED_PIPE = 128 + signal.SIGPIPE
"""As shells report programs that a closed pipe ends; 1 would say that a fault was found."""


def print_result(*lines: str) -> None:
    """Prints the lines of a command's result on standard output.

    Whatever names they hold, each stays one line that prints.

    Raises:
        Exit: With `CLOSED_PIPE`, if the reader has gone.
        OutputError: If it cannot be written for another reason.
    """
    print_json("\n".join(map(escape_unprintable, lines)))


def print_json(text: str) -> None:
    """Prints a result as it is, for programs.

    Raises:
        Exit: With `CLOSED_PIPE`, if the reader has gone.
        OutputError: If it cannot be written for another reason.
    """
    try:
        click.echo(text)
    except BrokenPipeError as error:
        # Left to click it would end with 1.
        raise click.exceptions.Exit(CLOSED_PIPE) from error
    except OSError as error:
        message = (
            f"standard output cannot be written ({error.strerror}); only its text is lost, "
            "send it elsewhere and run the same command again"
        )
        raise OutputError(message) from error
