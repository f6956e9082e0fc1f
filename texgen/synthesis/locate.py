"""Finds the program of the engine processes, and upstream's program."""

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
"""Environment variable that names a different worker program, for tests and debugging."""

UPSTREAM = "texture-synthesis"


def worker_path() -> Path:
    """Path of the worker program that is installed with this package.

    Raises:
        EngineStartError: If it is missing.
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
    """Path of upstream's program, given by ``--engine-bin`` or found on PATH.

    Raises:
        EngineStartError: If it is missing.
    """
    found = shutil.which(engine_bin or UPSTREAM)
    if found is None:
        message = (
            f"--engine embark-cli: the program {engine_bin or UPSTREAM!r} is missing; build "
            "it with `cargo install texture-synthesis-cli --locked`, or name it with --engine-bin"
        )
        raise EngineStartError(message)
    return str(Path(found).resolve())
