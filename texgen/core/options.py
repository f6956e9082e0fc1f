"""Fields of a config dataclass that are options too: default, help text and range stand once.

A command makes its options from `dataclasses.fields` of the config: ``rank_timeout`` becomes
``--rank-timeout`` with the field's type and default, and the rest from the field's metadata.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


def option(
    default: Any,  # noqa: ANN401 - the type of the annotated field, as of dataclasses.field
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    min_open: bool = False,
    choices: Sequence[str] | None = None,
) -> Any:  # noqa: ANN401
    """Returns a dataclass field that is an option too.

    A required one has no default, and mypy must see that:
    ``field(metadata={"help": "Number of images.", "min": 1})``.

    Args:
        default: Default of the field and of the option.
        help: Help text of the option.
        min: Smallest value that is accepted; for a tuple, of each of its values.
        max: Largest value that is accepted.
        min_open: Whether ``min`` itself is refused.
        choices: Texts that are accepted; None accepts any.
    """
    metadata = {"help": help, "min": min, "max": max, "min_open": min_open, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)
