"""Finding the engine processes' program and upstream's."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from texgen.core.errors import EngineStartError

DISTRIBUTION = "texgen-shards"
WORKER = "texgen-worker"
WORKER_VARIABLE = "TEXGEN_WORKER"
"""Environment variable that names another worker program, for tests and debugging."""

UPSTREAM = "texture-synthesis"


def worker_path() -> Path:
    """The worker program that was installed with this package.

    Raises:
        EngineStartError: If it is not there.
    """
    if named := os.environ.get(WORKER_VARIABLE):
        return Path(named)
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    for place in (*_installed(), *(Path(folder) / WORKER for folder in folders)):
        if os.access(place, os.X_OK):
            return place
    if on_path := shutil.which(WORKER):
        return Path(on_path)
    message = f"{WORKER} is not installed: run `pip install .` in a checkout of texgen again"
    raise EngineStartError(message)


def _installed() -> list[Path]:
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files if file.name == WORKER]


def upstream_path(engine_bin: str | None) -> str:
    """Upstream's program, as given by ``--engine-bin`` or found on PATH.

    Raises:
        EngineStartError: If there is none.
    """
    found = shutil.which(engine_bin or UPSTREAM)
    if found is None:
        message = (
            f"--engine embark-cli: no program {engine_bin or UPSTREAM!r}; "
            "`cargo install texture-synthesis-cli --locked` builds it, --engine-bin names it"
        )
        raise EngineStartError(message)
    return str(Path(found).resolve())
