"""The folder of a run: one trainer at a time, and nothing else in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from texgen.errors import ConfigError, LockedError
from texgen.train.checkpoint import FOLDER
from texgen.train.config import TrainConfig
from texgen.train.metrics import BOARD, LINES, TABLE

CONFIG = "config.json"
_LOCK = "lock"
_OWN = {CONFIG, _LOCK, FOLDER, LINES, TABLE, BOARD}


@contextlib.contextmanager
def claimed(config: TrainConfig) -> Iterator[None]:
    """Makes OUT where it is missing, and keeps other trainers out of it.

    Raises:
        ConfigError: If it cannot be written, holds something else, or lies in SRC.
        LockedError: If another trainer is at work in it.
    """
    folder = Path(config.out)
    if "://" not in config.src and folder.resolve().is_relative_to(Path(config.src).resolve()):
        message = f"--out {folder}: lies in --src; name a folder beside it"
        raise ConfigError(message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_own(folder)
        lock = (folder / _LOCK).open("w", encoding="utf-8")
    except OSError as error:
        message = f"--out {folder}: {error.strerror}; name a folder that can be written"
        raise ConfigError(message) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"--out {folder}: another texgen train is at work in it; wait, or stop it"
            raise LockedError(message) from error
        yield


def _check_own(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in names if name not in _OWN]
    if CONFIG in names and not _is_ours(folder / CONFIG):
        foreign.append(CONFIG)
    if foreign:
        message = f"--out {folder}: holds {foreign[0]}, which is no run's; name a folder of its own"
        raise ConfigError(message)


def _is_ours(path: Path) -> bool:
    try:
        return "negatives" in json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        return False
