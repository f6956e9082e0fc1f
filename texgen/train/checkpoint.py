"""Checkpoints: written completely or not at all, read as data and never as code."""

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

CHECKPOINT_FOLDER = "checkpoints"
_NAME = re.compile(r"step-([0-9]{8})\.pt")


def save_checkpoint(run: Path, step: int, state: dict[str, Any], keep: int) -> None:
    """Writes ``checkpoints/step-00000600.pt`` and removes all but the last ``keep`` checkpoints.

    Raises:
        StorageError: If it cannot be written; earlier checkpoints are kept.
    """
    path = run / CHECKPOINT_FOLDER / f"step-{step:08d}.pt"
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
        raise StorageError(
            f"{path} cannot be written ({reason}); make room and run the same command again"
        ) from error


def checkpoints(run: Path) -> list[Path]:
    """Returns the checkpoints of a run in the order of their steps."""
    folder = run / CHECKPOINT_FOLDER
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Returns what `save_checkpoint` wrote, on the CPU.

    Raises:
        ConfigError: If the file is not a checkpoint, or is damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigError(
            f"{path} is damaged, or not a checkpoint of texgen train; {_hint(path)}"
        ) from error
    if not isinstance(state, dict) or not {"config", "method", "step"} <= state.keys():
        raise ConfigError(
            f"{path} is not a checkpoint of texgen train; name one, or the folder of a run"
        )
    return state


def _hint(path: Path) -> str:
    earlier = [one for one in checkpoints(path.parent.parent) if one.name < path.name]
    if not earlier:
        return "name another, or remove it"
    return f"remove it to resume from {earlier[-1].name}"


@contextlib.contextmanager
def checked_checkpoint(path: Path) -> Iterator[None]:
    """Explains errors of code that reads the content of a checkpoint.

    Raises:
        ConfigError: If the content is not what this texgen writes.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ConfigError(
            f"{path} is damaged, or of another version ({reason}); {_hint(path)}"
        ) from error


def find_checkpoint(place: str) -> Path:
    """Returns a checkpoint by its own path, or the last checkpoint of the folder of a run.

    Raises:
        ConfigError: If there is no checkpoint.
    """
    path = Path(place)
    if path.is_file():
        return path
    of_run = checkpoints(path)
    if not of_run:
        raise ConfigError(f"{place} is neither a checkpoint nor a run of texgen train that has one")
    return of_run[-1]
