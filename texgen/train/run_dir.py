"""The folder of a run: one trainer works in it at a time, and it holds nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from texgen.core.errors import ConfigError, LockedError, TexgenError
from texgen.train.checkpoint import CHECKPOINT_FOLDER
from texgen.train.config import TrainConfig
from texgen.train.metrics import BOARD, LINES, TABLE

CONFIG = "config.json"
_LOCK = "lock"
_FILES, _FOLDERS = {CONFIG, _LOCK, LINES, TABLE}, {CHECKPOINT_FOLDER, BOARD}


@contextlib.contextmanager
def lock_run_dir(config: TrainConfig) -> Iterator[None]:
    """Creates OUT if it is missing, and locks it against other trainers.

    Raises:
        ConfigError: If OUT cannot be written or locked, holds other files, or is in SRC.
        LockedError: If another trainer works in OUT.
    """
    folder = Path(config.out)
    if "://" not in config.src and folder.resolve().is_relative_to(Path(config.src).resolve()):
        raise ConfigError(f"--out {folder} is inside --src; name a folder outside")
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_content(folder)
        lock = (folder / _LOCK).open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--out {folder}: {error.strerror}; name a folder that can be written"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"--out {folder}: another texgen train is working in it; wait, or stop it"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"--out {folder}: its file system has no locks ({error.strerror}); name a "
                "folder on another file system"
            ) from error
        try:
            yield
        except TexgenError:
            if not existed and [path.name for path in folder.iterdir()] == [_LOCK]:
                # The run did not start, for example because of a misspelt option.
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _check_content(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    expected = {name for name in _FILES if (folder / name).is_file()}
    expected |= {name for name in _FOLDERS if (folder / name).is_dir()}
    foreign = [name for name in names if name not in expected]
    if CONFIG in expected and not _is_run_config(folder / CONFIG):
        foreign.append(CONFIG)
    if foreign:
        raise ConfigError(
            f"--out {folder}: holds {foreign[0]}, which is not part of a run; name another folder"
        )


def _is_run_config(path: Path) -> bool:
    try:
        return "negatives" in json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(
            f"--out {path.parent}: {CONFIG} is damaged; delete it, and it is written again"
        ) from error
    except TypeError:
        return False
