"""The folder for temporary files, which a read-only container may not have."""

from __future__ import annotations

import tempfile
from pathlib import Path

from texgen.core.errors import ScratchError


def temporary_root() -> Path:
    """The folder below which temporary files are made: TMPDIR, or the system's.

    Raises:
        ScratchError: If no file can be written in any of them.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        message = (
            "no folder takes temporary files: set TMPDIR to one that can be written and has room, "
            "or mount one (docker run --tmpfs /tmp; an emptyDir at /tmp on Kubernetes)"
        )
        raise ScratchError(message) from error
