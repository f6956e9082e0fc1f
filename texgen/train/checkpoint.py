"""Checkpoints: written whole or not at all, read as data and never as code."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from texgen.core.errors import ConfigError, StorageError
from texgen.train.loader_errors import is_loader_death

FOLDER = "checkpoints"
_NAME = re.compile(r"step-([0-9]{8})\.pt")


def save_checkpoint(run: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Writes ``checkpoints/step-00000600.pt`` and removes all but the last ``keep``.

    Raises:
        StorageError: If it cannot be written; those before it are kept.
    """
    path = run / FOLDER / f"step-{step:08d}.pt"
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        for old in checkpoints(run)[:-keep]:
            old.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as a RuntimeError.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if is_loader_death(error):
            raise
        reason = error.strerror if isinstance(error, OSError) else "its file system is full"
        message = f"{path}: cannot be written ({reason}); make room and run the same command again"
        raise StorageError(message) from error
    return path


def checkpoints(run: Path) -> list[Path]:
    """Those of a run in order of their steps."""
    folder = run / FOLDER
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote, on the CPU.

    Raises:
        ConfigError: If it is none, or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        message = f"{path}: damaged, or no checkpoint of texgen train; {_instead(path)}"
        raise ConfigError(message) from error
    if not isinstance(state, dict) or not {"config", "method", "step"} <= state.keys():
        message = f"{path}: no checkpoint of texgen train; name one, or a run"
        raise ConfigError(message)
    return state


def _instead(path: Path) -> str:
    """What goes on without a checkpoint."""
    before = [one for one in checkpoints(path.parent.parent) if one.name < path.name]
    if not before:
        return "name another, or remove it"
    return f"remove it, and {before[-1].name} is taken"


@contextlib.contextmanager
def whole_checkpoint(path: Path) -> Iterator[None]:
    """Says of a checkpoint that can be read, and does not hold what it must, that it is damaged.

    Raises:
        ConfigError: If so.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        message = f"{path}: damaged, or of another texgen ({reason}); {_instead(path)}"
        raise ConfigError(message) from error


def find_checkpoint(place: str) -> Path:
    """A checkpoint by its own path, or the last one of a run's folder.

    Raises:
        ConfigError: If there is none.
    """
    path = Path(place)
    if path.is_file():
        return path
    found = checkpoints(path)
    if not found:
        message = f"{place}: neither a checkpoint nor a run of texgen train that has one"
        raise ConfigError(message)
    return found[-1]
