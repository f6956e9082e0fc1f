"""Commands that need an extra of texgen's package."""

from __future__ import annotations

import importlib.util

from texgen.errors import ConfigError


def need_train_extra(command: str, *more: str) -> None:
    """Checks that what the trainer needs is installed, and ``more`` of its extra.

    Raises:
        ConfigError: If it is not; names the extra.
    """
    missing = [n for n in ("torch", "torchvision", *more) if importlib.util.find_spec(n) is None]
    if missing:
        message = (
            f"texgen {command} needs {' and '.join(missing)}: "
            "in a checkout run pip install '.[train]'"
        )
        raise ConfigError(message)
