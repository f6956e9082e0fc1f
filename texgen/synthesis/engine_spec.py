"""What a process needs to start an engine: its programs, its command line, a scratch folder."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
import threading
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from texgen.core.config import CPU
from texgen.core.errors import EngineStartError
from texgen.core.identity import DISTRIBUTION
from texgen.core.temporary import temporary_root

WORKER = "texgen-worker"
WORKER_VARIABLE = "TEXGEN_WORKER"
"""Environment variable that names a different worker program, for tests and debugging."""

UPSTREAM = "texture-synthesis"

GPU_VARIABLE = "TEXGEN_GPU"
"""Environment variable with the number of the GPU, from 0, that this process uses."""


class Scratch:
    """Folder for the engines' temporary files, created when an engine first needs it.

    Args:
        parent: Folder in which it is created; None is the system's folder. Files of a killed
            process stay there.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._guard = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def path(self) -> str:
        """Path of the folder."""
        with self._guard:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(
                    prefix="texgen-",
                    dir=self._parent or temporary_root(),
                    ignore_cleanup_errors=True,
                )
            return self._folder.name

    def cleanup(self) -> None:
        """Deletes the folder if it exists."""
        if self._folder is not None:
            self._folder.cleanup()


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Names an engine so that any process can start it.

    Attributes:
        name: Name of the engine, an argument of ``--engine``.
        engine_bin: Path of upstream's program, for ``embark-cli``; None searches PATH.
        device: What makes the textures, ``cpu`` or ``gpu``; they are the same with both.
        gpu: Number of the GPU, from 0; None takes that of `GPU_VARIABLE`, else torchrun's local
            rank, else 0.
    """

    name: str
    engine_bin: str | None = None
    device: str = CPU
    gpu: int | None = None

    @property
    def deterministic(self) -> bool:
        """Whether the same job gives the same bytes; upstream's threads do not."""
        return self.name != "embark-cli"

    @property
    def gpu_number(self) -> str:
        """Number of the GPU that it uses, as text; an environment variable may hold anything."""
        if self.gpu is not None:
            return str(self.gpu)
        return os.environ.get(GPU_VARIABLE) or os.environ.get("LOCAL_RANK") or "0"

    def command(self, scratch: Scratch) -> list[str]:
        """Command line of the worker.

        Raises:
            EngineStartError: If a program is missing.
        """
        command = [str(worker_path()), "--engine", self.name, "--parent", str(os.getpid())]
        if self.device != CPU:
            command += ["--device", self.device, "--gpu", self.gpu_number]
        if self.name == "embark-cli":
            upstream = upstream_path(self.engine_bin)
            command += ["--engine-bin", upstream, "--scratch", scratch.path()]
        return command


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
    raise EngineStartError(
        f"{WORKER} is not installed: run `pip install .` in a checkout of texgen again"
    )


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
        raise EngineStartError(
            f"--engine embark-cli: the program {engine_bin or UPSTREAM!r} is missing; build "
            "it with `cargo install texture-synthesis-cli --locked`, or name it with --engine-bin"
        )
    return str(Path(found).resolve())
