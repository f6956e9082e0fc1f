"""The folder of a run: one trainer at a time, and nothing else in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import ConfigError, LockedError, TexgenError
from texgen.train.checkpoint import FOLDER
from texgen.train.config import TrainConfig
from texgen.train.metrics import BOARD, LINES, TABLE

CONFIG = "config.json"
_LOCK = "lock"
_FILES, _FOLDERS = {CONFIG, _LOCK, LINES, TABLE}, {FOLDER, BOARD}


@contextlib.contextmanager
def lock_run_dir(config: TrainConfig) -> Iterator[None]:
    """Makes OUT where it is missing, and keeps other trainers out of it.

    Raises:
        ConfigError: If it cannot be written, holds something else, or lies in SRC.
        LockedError: If another trainer is at work in it.
    """
    folder = Path(config.out)
    if "://" not in config.src and folder.resolve().is_relative_to(Path(config.src).resolve()):
        message = f"--out {folder}: lies in --src; name a folder beside it"
        raise ConfigError(message)
    there = folder.exists()
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
        except BlockingIOError as error:
            message = f"--out {folder}: another texgen train is at work in it; wait, or stop it"
            raise LockedError(message) from error
        except OSError as error:
            message = (
                f"--out {folder}: its file system takes no locks ({error.strerror}); name a folder "
                "on another"
            )
            raise ConfigError(message) from error
        try:
            yield
        except TexgenError:
            if not there and [path.name for path in folder.iterdir()] == [_LOCK]:
                # Nothing came of it, such as after a misspelt option.
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _check_own(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    own = {name for name in _FILES if (folder / name).is_file()}
    own |= {name for name in _FOLDERS if (folder / name).is_dir()}
    foreign = [name for name in names if name not in own]
    if CONFIG in own and not _is_ours(folder / CONFIG):
        foreign.append(CONFIG)
    if foreign:
        message = f"--out {folder}: holds {foreign[0]}, which is no run's; name a folder of its own"
        raise ConfigError(message)


def _is_ours(path: Path) -> bool:
    try:
        return "negatives" in json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"--out {path.parent}: {CONFIG} is damaged; delete it, it is written anew"
        raise ConfigError(message) from error
    except TypeError:
        return False
