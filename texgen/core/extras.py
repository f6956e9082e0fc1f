"""Packages that only some users install."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from texgen.core.errors import MissingExtraError

_EXTRA = {"torch": "train", "torchvision": "train", "matplotlib": "train"}
"""Extra that installs a package."""


@contextlib.contextmanager
def naming_extra(name: str) -> Iterator[None]:
    """Names the extra to install if an import inside lacks one of its packages.

    Args:
        name: Name that the user has asked for, such as ``texgen.losses``.

    Raises:
        MissingExtraError: If a package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        raise MissingExtraError(
            f"{name} needs {package}, which is not installed: "
            f"pip install 'texgen-shards[{_EXTRA[package]}]'"
        ) from None
