"""Options in lists, which several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Adds options in the order in which ``--help`` shows them."""
    # The last to be applied is the first that is shown.
    for option in reversed(options):
        command = option(command)
    return command
