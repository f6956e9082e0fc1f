"""Reads and writes ``index.json``, the description of a finished data set and its files.

The index is written last: a data set is finished when its index is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypeVar

from texgen.core.config import FORMAT_VERSION
from texgen.core.errors import DatasetError, StorageError
from texgen.core.layout import (
    BUILD,
    DOWNLOAD,
    DOWNLOAD_FINGERPRINT,
    INDEX,
    is_build_file,
    is_card_file,
)
from texgen.storage import Sink

FINISH_DOWNLOAD = "an unfinished download: run `texgen download URL --out DIR` again to finish it"
"""Hint for an OUT whose download was interrupted; follows "it is" or "OUT holds"."""

_FORMAT = "texgen-dataset"
_REWRITE_HINT = "; run the command that wrote it, build or download, again"
NOTICE = (
    "The textures consist of pixels of photographs, whose terms of use apply to them too. "
    "Those of ImageNet are for non-commercial research and education: "
    "https://image-net.org/download"
)
"""What every index says of the rights in its textures."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A manifest file: path relative to OUT, bytes, SHA-256 and rows."""

    path: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard: path relative to OUT, bytes, SHA-256 and samples."""

    path: str
    bytes: int
    sha256: str
    samples: int


DataFile: TypeAlias = ManifestFile | ShardFile
"""A file that the index lists."""


@dataclass(frozen=True, slots=True)
class SplitIndex:
    """A split of a finished data set.

    Attributes:
        images: Number of images planned.
        textures: Number of textures in the shards.
        failed: Number of rows without a texture.
        classes: Class names in label order.
        manifest: Manifest files in key order.
        shards: Shards in key order.
    """

    images: int
    textures: int
    failed: int
    classes: Sequence[str]
    manifest: Sequence[ManifestFile]
    shards: Sequence[ShardFile]

    @property
    def files(self) -> list[DataFile]:
        """All files, manifests first."""
        return [*self.manifest, *self.shards]


@dataclass(frozen=True)
class Index:
    """A finished data set.

    Attributes:
        name: Name of the data set.
        fingerprint: Digest of configuration and images.
        config: `DatasetConfig.canonical`.
        splits: Splits by name.
        partial: Whether some shards were left out when it was downloaded.
        notes: What the build ignored in SRC, a sentence each.
        texgen: Version of the texgen that built it; None before the field existed.
    """

    name: str
    fingerprint: str
    config: dict[str, Any]
    splits: dict[str, SplitIndex]
    partial: bool = False
    notes: Sequence[str] = ()
    texgen: str | None = None

    @property
    def files(self) -> list[DataFile]:
        """Files of all splits."""
        return [file for split in self.splits.values() for file in split.files]

    @property
    def samples(self) -> int:
        """Number of textures in the listed shards."""
        return sum(shard.samples for s in self.splits.values() for shard in s.shards)


def encode_index(index: Index) -> bytes:
    """Returns the bytes of ``index.json``."""
    document = {
        "format": _FORMAT,
        "version": FORMAT_VERSION,
        "name": index.name,
        "fingerprint": index.fingerprint,
        "config": index.config,
        "notice": NOTICE,
        "splits": {name: asdict(split) for name, split in index.splits.items()},
    }
    if index.partial:
        document["partial"] = True
    if index.notes:
        document["notes"] = list(index.notes)
    if index.texgen is not None:
        document["texgen"] = index.texgen
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def read_index(sink: Sink) -> Index:
    """Returns the index of a finished data set.

    Raises:
        DatasetError: If there is no index, with a hint, or this version cannot read it.
    """
    try:
        return parse_index(sink.open(INDEX).read())
    except StorageError as error:
        message = f"no finished data set: {error}"
        if isinstance(error.__cause__, FileNotFoundError):
            message += f"; {_missing_index_hint(sink)}"
        raise DatasetError(message) from error


def _missing_index_hint(sink: Sink) -> str:
    if DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        return f"it is {FINISH_DOWNLOAD}"
    if not sink.list(BUILD) or sink.first_unknown_file():
        return "there is no build either: name the OUT of a build"
    return (
        "`texgen status` shows whether its build is running; "
        "if it is not, run the same `texgen build` again to resume it"
    )


def find_index(sink: Sink) -> Index | None:
    """Returns the index of a finished data set, or None where there is none.

    Raises:
        DatasetError: If this version cannot read the index.
        StorageError: If storage fails.
    """
    try:
        return parse_index(sink.open(INDEX).read())
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def parse_index(data: bytes, hint: str = _REWRITE_HINT) -> Index:
    """Parses the bytes of ``index.json``.

    Args:
        data: Bytes of the file.
        hint: End of the error of a damaged index: what to do about it.

    Raises:
        DatasetError: If this version cannot read them.
    """
    try:
        document = json.loads(data)
        version = (document["format"], document["version"])
        if version != (_FORMAT, FORMAT_VERSION):
            raise DatasetError(
                f"{INDEX} is {version}, this texgen reads {(_FORMAT, FORMAT_VERSION)}"
            )
        splits = {name: _parse_split(split) for name, split in document["splits"].items()}
        for name, kind in _CONFIG_TYPES.items():
            _typed(document["config"][name], kind, f"config {name}")
        texgen_version = document.get("texgen")
        if texgen_version is not None:
            _typed(texgen_version, str, "texgen")
        return Index(
            name=_typed(document["name"], str, "name"),
            fingerprint=_typed(document["fingerprint"], str, "fingerprint"),
            config=document["config"],
            splits=splits,
            partial=document.get("partial") is True,
            notes=tuple(_typed(note, str, "a note") for note in document.get("notes", [])),
            texgen=texgen_version,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{INDEX} is damaged ({type(error).__name__}: {error}){hint}") from error


def stray_files(index: Index, paths: Iterable[str]) -> list[str]:
    """Returns those of ``paths`` that belong neither to the data set, its card nor a build."""
    known = {INDEX, *(file.path for file in index.files)}
    others = (path for path in paths if path not in known)
    return sorted(path for path in others if not is_build_file(path) and not is_card_file(path))


_CONFIG_TYPES = {
    "engine": str,
    "engine_version": str,
    "format": str,
    "patch_size": int,
    "seed": int,
    "small_patch_size": int,
    "textures_per_image": int,
}
"""Fields of the config that readers need."""


def _parse_split(split: dict[str, Any]) -> SplitIndex:
    counts = {name: _typed(split[name], int, name) for name in ("images", "textures", "failed")}
    return SplitIndex(
        **counts,
        classes=[_typed(name, str, "a class") for name in split["classes"]],
        manifest=[_checked(ManifestFile(**file)) for file in split["manifest"]],
        shards=[_checked(ShardFile(**file)) for file in split["shards"]],
    )


_AnyFile = TypeVar("_AnyFile", ManifestFile, ShardFile)


def _checked(file: _AnyFile) -> _AnyFile:
    for name, value in asdict(file).items():
        _typed(value, str if name in {"path", "sha256"} else int, name)
    return file


def _typed(value: Any, kind: type, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Returns ``value`` if it is of the kind; its name stands in the error otherwise."""
    # Python counts bool as an int; other readers of the file do not.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}")
    return value
