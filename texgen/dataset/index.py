"""``index.json``: the card of a finished data set and its files, written last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from texgen.core.config import FORMAT_VERSION
from texgen.core.errors import DatasetError, StorageError
from texgen.core.layout import BUILD, DOWNLOAD, DOWNLOAD_FINGERPRINT, INDEX, is_build_file
from texgen.storage import Sink

"""Of the data set that an unfinished download is of."""
FINISH_DOWNLOAD = "an unfinished download: `texgen download URL --out DIR` again finishes it"
_FORMAT = "texgen-dataset"
_RESTORE = "; whatever made it, build or download, again restores it"
_NOTICE = (
    "The textures consist of pixels of photographs, whose terms of use apply to them too. "
    "Those of ImageNet are for non-commercial research and education: "
    "https://image-net.org/download"
)


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


@dataclass(frozen=True, slots=True)
class SplitIndex:
    """A split of a finished data set.

    Attributes:
        images: Photographs planned.
        textures: Textures in the shards.
        failed: Rows without a texture.
        classes: Class names in label order.
        manifest: In key order.
        shards: In key order.
    """

    images: int
    textures: int
    failed: int
    classes: Sequence[str]
    manifest: Sequence[ManifestFile]
    shards: Sequence[ShardFile]

    @property
    def files(self) -> list[ManifestFile | ShardFile]:
        """All of them, manifests first."""
        return [*self.manifest, *self.shards]


@dataclass(frozen=True)
class Index:
    """A finished data set.

    Attributes:
        name: In its card.
        fingerprint: Of configuration and photographs.
        config: `DatasetConfig.canonical`.
        splits: By name.
        partial: Whether some shards were left out when it was downloaded.
        notes: What was seen in SRC and left out, a sentence each.
        texgen: Version of the texgen that made it; None before there was such a field.
    """

    name: str
    fingerprint: str
    config: dict[str, Any]
    splits: dict[str, SplitIndex]
    partial: bool = False
    notes: Sequence[str] = ()
    texgen: str | None = None

    @property
    def files(self) -> list[ManifestFile | ShardFile]:
        """Those of all splits."""
        return [file for split in self.splits.values() for file in split.files]

    @property
    def samples(self) -> int:
        """Textures in the shards that it names."""
        return sum(shard.samples for s in self.splits.values() for shard in s.shards)


def encode_index(index: Index) -> bytes:
    """The bytes of ``index.json``."""
    card = {
        "format": _FORMAT,
        "version": FORMAT_VERSION,
        "name": index.name,
        "fingerprint": index.fingerprint,
        "config": index.config,
        "notice": _NOTICE,
        "splits": {name: _split_json(split) for name, split in index.splits.items()},
    }
    if index.partial:
        card["partial"] = True
    if index.notes:
        card["notes"] = list(index.notes)
    if index.texgen is not None:
        card["texgen"] = index.texgen
    return json.dumps(card, indent=1, sort_keys=True).encode() + b"\n"


def _split_json(split: SplitIndex) -> dict[str, Any]:
    return {
        "images": split.images,
        "textures": split.textures,
        "failed": split.failed,
        "classes": list(split.classes),
        "manifest": [
            {"path": f.path, "bytes": f.bytes, "sha256": f.sha256, "rows": f.rows}
            for f in split.manifest
        ],
        "shards": [
            {"path": f.path, "bytes": f.bytes, "sha256": f.sha256, "samples": f.samples}
            for f in split.shards
        ],
    }


def read_index(sink: Sink) -> Index:
    """The index of a finished data set.

    Raises:
        DatasetError: If there is none, or none that this version reads.
    """
    try:
        return parse_index(sink.open(INDEX).read())
    except StorageError as error:
        message = f"no finished data set: {error}"
        if isinstance(error.__cause__, FileNotFoundError):
            message += f"; {_without_index(sink)}"
        raise DatasetError(message) from error


def _without_index(sink: Sink) -> str:
    """What to do about an OUT that has no index."""
    if DOWNLOAD_FINGERPRINT in sink.list(DOWNLOAD):
        return f"it is {FINISH_DOWNLOAD}"
    if not sink.list(BUILD) or sink.first_unknown_file():
        return "there is no build either: name the OUT of one"
    return "`texgen status` tells whether its build runs; if not, the same `texgen build` goes on"


def find_index(sink: Sink) -> Index | None:
    """The index of a finished data set, or None where there is none.

    Raises:
        DatasetError: If this version does not read it.
        StorageError: If it cannot be read.
    """
    try:
        return parse_index(sink.open(INDEX).read())
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def parse_index(data: bytes, mend: str = _RESTORE) -> Index:
    """The index whose bytes these are.

    Args:
        data: Of ``index.json``.
        mend: What is said of one that is damaged.

    Raises:
        DatasetError: If this version does not read them.
    """
    try:
        card = json.loads(data)
        about = (card["format"], card["version"])
        if about != (_FORMAT, FORMAT_VERSION):
            message = f"{INDEX} is {about}, this texgen reads {(_FORMAT, FORMAT_VERSION)}"
            raise DatasetError(message)
        splits = {name: _split(split) for name, split in card["splits"].items()}
        _check_config(card["config"])
        name, fingerprint = (_typed(card[n], str, n) for n in ("name", "fingerprint"))
        notes = [_typed(note, str, "a note") for note in card.get("notes", [])]
        partial, made_by = card.get("partial") is True, card.get("texgen")
        if made_by is not None:
            _typed(made_by, str, "texgen")
        return Index(
            name, fingerprint, card["config"], splits, partial, notes=tuple(notes), texgen=made_by
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{INDEX} is damaged ({type(error).__name__}: {error}){mend}"
        raise DatasetError(message) from error


def stray_files(index: Index, there: Iterable[str]) -> list[str]:
    """Those of the files that are ``there`` which are neither the data set's nor a build's."""
    known = {INDEX, *(file.path for file in index.files)}
    return sorted(p for p in there if p not in known and not is_build_file(p))


_NEEDED = {
    "engine": str,
    "engine_version": str,
    "format": str,
    "patch_size": int,
    "seed": int,
    "small_patch_size": int,
    "textures_per_image": int,
}


def _check_config(config: dict[str, Any]) -> None:
    for name, kind in _NEEDED.items():
        _typed(config[name], kind, f"config {name}")


def _split(split: dict[str, Any]) -> SplitIndex:
    return SplitIndex(
        images=_typed(split["images"], int, "images"),
        textures=_typed(split["textures"], int, "textures"),
        failed=_typed(split["failed"], int, "failed"),
        classes=[_typed(name, str, "a class") for name in split["classes"]],
        manifest=[_file(ManifestFile(**entry)) for entry in split["manifest"]],
        shards=[_file(ShardFile(**entry)) for entry in split["shards"]],
    )


_File = TypeVar("_File", ManifestFile, ShardFile)


def _file(file: _File) -> _File:
    for name, value in asdict(file).items():
        _typed(value, str if name in {"path", "sha256"} else int, name)
    return file


def _typed(value: Any, kind: type, name: str) -> Any:  # noqa: ANN401 - any JSON value
    # bool is an int to Python, but not to a reader of the file.
    if not isinstance(value, kind) or isinstance(value, bool):
        message = f"{name} is {value!r}"
        raise TypeError(message)
    return value
