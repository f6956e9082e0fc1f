"""The splits of a data set that were asked for by name."""

from __future__ import annotations

from collections.abc import Iterable

from texgen.core.errors import ConfigError
from texgen.dataset.index import Index


def check_splits(index: Index, names: Iterable[str]) -> None:
    """Checks that each of them is there.

    Raises:
        ConfigError: If one is not; says which are.
    """
    for name in names:
        if name not in index.splits:
            message = f"--split {name}: the data set has only {', '.join(sorted(index.splits))}"
            message += "; give --split once for each" if "," in name else ""
            raise ConfigError(message)
