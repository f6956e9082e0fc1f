"""Classes of photographs that lie in one folder: `--labels`; and which classes: `--classes`."""

from __future__ import annotations

import functools
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import IO

from texgen.core.errors import ConfigError
from texgen.core.text import decode_text
from texgen.source.labels.tables import parse_label_table
from texgen.storage.filesystem import FileSystem, files_at, list_folder
from texgen.storage.ranges import RangeStream

BUILT_IN_CLASSES = {"imagenet100": "imagenet100.txt"}
"""Name to the file of a list that comes with texgen."""

_WNID = re.compile(r"n[0-9]{8}")
_WNID_LENGTH = 9
_WNID_AND_WORDS = re.compile(rf"{_WNID.pattern}[\t ]+\S")
_QUOTED = re.compile(r'"([^"]*)"')
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_META = "meta.mat"
_KIT_LEVELS = 2
"""Folders inside the one that is named in which the kit's files are looked for."""

_BUFFER = 1 << 20


def read_classes(name: str) -> tuple[str, ...]:
    """The classes of ``--classes``, sorted: a built-in list, or a file with one a line.

    Empty lines and what follows a ``#`` are left out. A line in double quotes stands for what
    they hold. Where every line is a wnid and words (``n01440764 tench, Tinca tinca``), the
    wnids are the classes.

    Raises:
        ConfigError: If it cannot be read, or names no class.
    """
    try:
        if name in BUILT_IN_CLASSES:
            data = (resources.files("texgen") / "data" / BUILT_IN_CLASSES[name]).read_bytes()
        else:
            data = Path(name).read_bytes()
        text = decode_text(data)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"--classes {name}: {why}; name a file with a class a line, or imagenet100"
        raise ConfigError(message) from error
    classes = {line.partition("#")[0].strip() for line in text.split("\n")} - {""}
    if all(map(_WNID_AND_WORDS.match, classes)):
        classes = {one[:_WNID_LENGTH] for one in classes}
    classes = {quoted[1] if (quoted := _QUOTED.fullmatch(one)) else one for one in classes} - {""}
    if not classes:
        message = f"--classes {name}: it names no class"
        raise ConfigError(message)
    return tuple(sorted(classes))


class Labels:
    """Classes of photographs by the names of their files.

    Args:
        classes: File name, with or without its extension, to class.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._classes = classes

    def of(self, name: str) -> str | None:
        """The class of a file, or None where none is named."""
        found = self._classes.get(name) or self._classes.get(_stem(name))
        return found or self._any_case.get(_same_case(name))

    def fault(self, name: str) -> str:
        """What is wrong where `of` has found no class, as words that follow the file's path."""
        stem = _stem(name)
        near = next((one for one in self._classes if _stem(one) == stem), None)
        instead = f" (it names {near})" if near else ""
        return f"is not in --labels{instead}; add it, or take it out of the split"

    @functools.cached_property
    def _any_case(self) -> Mapping[str, str]:
        """Classes by names with the extension in lower case, where that still tells them apart."""
        found: dict[str, str] = {}
        for name, class_name in self._classes.items():
            if found.setdefault(_same_case(name), class_name) != class_name:
                found[_same_case(name)] = ""
        return {name: class_name for name, class_name in found.items() if class_name}


def read_labels(path: str, endpoint: str | None = None) -> Labels:
    """Reads ``--labels``.

    It may be a table (`texgen.source.labels.tables`), such as CSV with the columns ``file,class``
    or Kaggle's ``LOC_val_solution.csv``; or the development kit of ILSVRC-2012, as the tar or
    unpacked.

    Args:
        path: Of the file or folder, or ``s3://bucket/key``.
        endpoint: See `texgen.source.SourceSpec`.

    Raises:
        ConfigError: If it is none of these; says what is wrong.
    """
    files = files_at(path, endpoint)
    try:
        if files.kind(path) == "folder":
            return _from_kit(dict(_kit_files(files, path)), path)
        file: IO[bytes] = io.BufferedReader(RangeStream(files.open(path)), _BUFFER)
        if tarfile.is_tarfile(file):
            return _from_kit(_kit_members(file), path)
        file.seek(0)
        return _from_table(decode_text(file.read()), path)
    except (OSError, tarfile.TarError, EOFError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        message = f"--labels {path}: cannot be read ({why})"
        raise ConfigError(message) from error
    except ValueError as error:
        message = f"--labels {path}: {error}"
        raise ConfigError(message) from error


def _from_table(text: str, path: str) -> Labels:
    return _labels(((row.file, row.class_name) for row in parse_label_table(text)), path)


def _labels(pairs: Iterable[tuple[str, str]], path: str) -> Labels:
    classes: dict[str, str] = {}
    for name, class_name in pairs:
        # People write the path below the split, or the name alone.
        name = name.replace("\\", "/").rpartition("/")[2]
        if classes.setdefault(name, class_name) != class_name:
            message = f"--labels {path}: {name} has two classes, {classes[name]} and {class_name}"
            raise ConfigError(message)
    if not classes:
        message = f"--labels {path}: it names no file"
        raise ConfigError(message)
    return Labels(classes)


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _same_case(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return stem + dot + extension.lower()


def _kit_files(
    files: FileSystem, folder: str, levels: int = _KIT_LEVELS
) -> Iterator[tuple[str, bytes]]:
    names, folders = list_folder(files, folder)
    for name in {_TRUTH, _META}.intersection(names):
        file = files.open(f"{folder}/{name}")
        yield name, file.read_at(0, file.size())
    for inside in folders if levels else ():
        yield from _kit_files(files, f"{folder}/{inside}", levels - 1)


def _kit_members(file: IO[bytes]) -> dict[str, bytes]:
    found = {}
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        for info in tar:
            name = info.name.rpartition("/")[2]
            member = tar.extractfile(info) if name in {_TRUTH, _META} else None
            if member is not None:
                found[name] = member.read()
    return found


def _from_kit(files: Mapping[str, bytes], path: str) -> Labels:
    if missing := {_TRUTH, _META} - files.keys():
        message = f"--labels {path}: it lacks {' and '.join(sorted(missing))} of ILSVRC-2012's kit"
        raise ConfigError(message)
    wnids = _wnids(files[_META], path)
    try:
        numbers = [int(line) for line in files[_TRUTH].split()]
        classes = [wnids[number] for number in numbers]
    except (ValueError, KeyError) as error:
        message = f"--labels {path}: {_TRUTH} holds {error}, which {_META} does not name"
        raise ConfigError(message) from error
    names = (f"ILSVRC2012_val_{number:08d}" for number in range(1, len(classes) + 1))
    return _labels(zip(names, classes, strict=True), path)


def _wnids(meta: bytes, path: str) -> dict[int, str]:
    """The kit's own number of each class to its wnid; the numbers are not in sorted order."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        message = (
            f"--labels {path}: the kit's {_META} needs SciPy (pip install scipy); "
            "Kaggle's LOC_val_solution.csv does not"
        )
        raise ConfigError(message) from error
    try:
        synsets = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
        wnids = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in synsets}
    except Exception as error:
        # SciPy raises whatever its parser meets.
        message = f"--labels {path}: {_META} is not that of ILSVRC-2012's kit ({error})"
        raise ConfigError(message) from error
    if not all(_WNID.fullmatch(wnid) for wnid in wnids.values()):
        message = f"--labels {path}: {_META} names classes that are no wnids"
        raise ConfigError(message)
    return wnids
