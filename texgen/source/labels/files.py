"""Files that users write: ``--labels``, classes of the images of flat splits; and ``--classes``."""

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
from texgen.source.paths import join_path
from texgen.storage import Store, open_store
from texgen.storage.ranges import RangeStream
from texgen.storage.store import list_folder

BUILT_IN_CLASSES = {"imagenet100": "imagenet100.txt"}
"""Name to file of the lists of classes that texgen contains."""

_WNID = re.compile(r"n[0-9]{8}")
_WNID_LENGTH = 9
_WNID_AND_WORDS = re.compile(rf"{_WNID.pattern}[\t ]+\S")
_QUOTED = re.compile(r'"([^"]*)"')
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_META = "meta.mat"
_KIT_LEVELS = 2
"""Levels below the named folder in which the kit's files are searched for."""

_BUFFER_BYTES = 1 << 20


def read_classes(name: str) -> tuple[str, ...]:
    """Reads the sorted classes of ``--classes``.

    Empty lines and text after a ``#`` are ignored. A line in double quotes stands for the text
    inside them. If every line is a wnid and words (``n01440764 tench, Tinca tinca``), the wnids
    are the classes.

    Args:
        name: Name of a built-in list, or path of a file with one class per line.

    Raises:
        ConfigError: If the file cannot be read, or names no class.
    """
    try:
        built_in = BUILT_IN_CLASSES.get(name)
        file = resources.files(__package__) / built_in if built_in else Path(name)
        text = decode_text(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"--classes {name}: {reason}; name a file with a class per line, or imagenet100"
        ) from error
    classes = {line.partition("#")[0].strip() for line in text.split("\n")} - {""}
    if all(map(_WNID_AND_WORDS.match, classes)):
        classes = {line[:_WNID_LENGTH] for line in classes}
    classes = {quoted[1] if (quoted := _QUOTED.fullmatch(line)) else line for line in classes}
    classes.discard("")
    if not classes:
        raise ConfigError(f"--classes {name}: the file names no class")
    return tuple(sorted(classes))


class Labels:
    """Classes of images by the names of their files.

    Args:
        classes: File name, with or without its extension, to class.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._classes = classes

    def class_of(self, name: str) -> str | None:
        """The class of a file; None if it has none."""
        class_name = self._classes.get(name) or self._classes.get(_stem(name))
        return class_name or self._any_case.get(_lower_extension(name))

    def missing_reason(self, name: str) -> str:
        """The end of an error about a file without a class; the file's path comes before it."""
        stem = _stem(name)
        similar = next((other for other in self._classes if _stem(other) == stem), None)
        instead = f" (which names {similar})" if similar else ""
        return f"is not in --labels{instead}; add it, or take it out of the split"

    @functools.cached_property
    def _any_case(self) -> Mapping[str, str]:
        """Classes by names with the extension in lower case, if such a name has one class."""
        classes: dict[str, str] = {}
        for name, class_name in self._classes.items():
            if classes.setdefault(_lower_extension(name), class_name) != class_name:
                classes[_lower_extension(name)] = ""
        return {name: class_name for name, class_name in classes.items() if class_name}


def read_labels(path: str, endpoint: str | None = None) -> Labels:
    """Reads ``--labels``.

    Labels are a table (`texgen.source.labels.tables`), such as CSV with the columns ``file,class``
    or Kaggle's ``LOC_val_solution.csv``; or the development kit of ILSVRC-2012, packed or unpacked.

    Args:
        path: Path of the file or folder, or ``s3://bucket/key``.
        endpoint: See `texgen.source.SourceSpec`.

    Raises:
        ConfigError: If the labels cannot be read or are in another form.
    """
    files = open_store(path, endpoint)
    try:
        if files.kind("") == "folder":
            return _from_kit(dict(_kit_files(files)), path)
        file: IO[bytes] = io.BufferedReader(RangeStream(files.open("")), _BUFFER_BYTES)
        if tarfile.is_tarfile(file):
            return _from_kit(_kit_members(file), path)
        file.seek(0)
        rows = parse_label_table(decode_text(file.read()))
        return _labels(((row.file, row.class_name) for row in rows), path)
    except (OSError, tarfile.TarError, EOFError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigError(f"--labels {path}: cannot be read ({reason})") from error
    except ValueError as error:
        raise ConfigError(f"--labels {path}: {error}") from error


def _labels(pairs: Iterable[tuple[str, str]], path: str) -> Labels:
    classes: dict[str, str] = {}
    for name, class_name in pairs:
        # People write the path below the split, or only the name.
        name = name.replace("\\", "/").rpartition("/")[2]
        if classes.setdefault(name, class_name) != class_name:
            raise ConfigError(
                f"--labels {path}: {name} has two classes, {classes[name]} and {class_name}"
            )
    if not classes:
        raise ConfigError(f"--labels {path}: the table names no file")
    return Labels(classes)


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _lower_extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return stem + dot + extension.lower()


def _kit_files(
    files: Store, folder: str = "", levels: int = _KIT_LEVELS
) -> Iterator[tuple[str, bytes]]:
    """Name and content of the kit's files in a folder and up to ``levels`` levels below it."""
    names, folders = list_folder(files, folder)
    for name in {_TRUTH, _META}.intersection(names):
        yield name, files.get_range(join_path(folder, name)).data
    for name in folders if levels else ():
        yield from _kit_files(files, join_path(folder, name), levels - 1)


def _kit_members(file: IO[bytes]) -> dict[str, bytes]:
    """Name to content of the kit's files in its tar."""
    kit = {}
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        for info in tar:
            name = info.name.rpartition("/")[2]
            member = tar.extractfile(info) if name in {_TRUTH, _META} else None
            if member is not None:
                kit[name] = member.read()
    return kit


def _from_kit(kit: Mapping[str, bytes], path: str) -> Labels:
    if missing := {_TRUTH, _META} - kit.keys():
        raise ConfigError(
            f"--labels {path}: it lacks {' and '.join(sorted(missing))} of ILSVRC-2012's kit"
        )
    wnids = _wnids(kit[_META], path)
    try:
        numbers = [int(line) for line in kit[_TRUTH].split()]
        classes = [wnids[number] for number in numbers]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"--labels {path}: {_TRUTH} holds {error}, which {_META} does not name"
        ) from error
    names = (f"ILSVRC2012_val_{number:08d}" for number in range(1, len(classes) + 1))
    return _labels(zip(names, classes, strict=True), path)


def _wnids(meta: bytes, path: str) -> dict[int, str]:
    """Number of each class in the kit to its wnid; the numbers do not follow the wnids' order."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--labels {path}: the kit's {_META} needs SciPy (pip install scipy); "
            "Kaggle's LOC_val_solution.csv does not"
        ) from error
    try:
        synsets = loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
        wnids = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in synsets}
    except Exception as error:
        # SciPy's parser raises errors of many types.
        raise ConfigError(
            f"--labels {path}: {_META} is not the file of ILSVRC-2012's kit ({error})"
        ) from error
    if not all(_WNID.fullmatch(wnid) for wnid in wnids.values()):
        raise ConfigError(f"--labels {path}: {_META} names classes that are not wnids")
    return wnids
