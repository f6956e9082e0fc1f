"""The base of all sources, the names of its options, and rules that all sources share."""

from __future__ import annotations

import abc
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from texgen.core.concurrency import ordered_map
from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source.paths import displayable
from texgen.storage import open_store

_T = TypeVar("_T")
_Result = TypeVar("_Result")

SPLIT_NAMES = ("train", "val", "validation", "test")
IMAGE_EXTENSIONS = (
    b".jpg", b".jpeg", b".png", b".ppm", b".bmp", b".pgm", b".tif", b".tiff", b".webp",
    b".jpe", b".jfif", b".gif", b".dib", b".pbm", b".pnm", b".jp2", b".avif", b".tga",
)  # fmt: skip
"""torchvision's ``IMG_EXTENSIONS``, and what else Pillow reads.

The list is fixed, so that a data set does not depend on the codecs of one machine.
"""

SYSTEM_FOLDERS = frozenset(
    (b"__MACOSX", b"@eaDir", b"lost+found", b"$RECYCLE.BIN", b"System Volume Information",
     b"#recycle", b"#snapshot")
)  # fmt: skip
"""Folders that operating systems and storage boxes make; `__MACOSX` and `@eaDir` hold images."""

SRC_FORMATS = ("folder", "ilsvrc", "webdataset", "parquet")

ARCHIVE_FORMATS = {".tar": "webdataset", ".parquet": "parquet"}
"""Suffix of archives to the value of ``--src-format`` that reads them."""

LAYOUTS = ("auto", "splits", "classes", "flat")
"""Meanings of the folders in SRC; docs/sources.md has the rule."""

KEYS = ("name", "file")
"""Origins of the keys of images in archives: their own names, or archive and position."""

SOURCE_OPTIONS = ("layout", "keys", "image_field", "label_field")
"""Fields of `SourceSpec` that tell how SRC is read."""

NO_LABELS = "none"
"""Value of the label field that takes no labels."""

OnError = Callable[[SourceError], None]
"""Called for each error in a listing that would end a build."""


def raise_error(error: SourceError) -> None:
    """Raises its argument: the `OnError` of a build."""
    raise error


def map_reporting(
    function: Callable[[_T, OnError], _Result],
    items: Iterable[_T],
    parallel: int,
    on_error: OnError,
) -> Iterator[_Result]:
    """`ordered_map` of a function that reports errors, which come in the order of the items."""

    def call(item: _T) -> tuple[_Result, list[SourceError]]:
        errors = list[SourceError]()
        return function(item, errors.append), errors

    for result, errors in ordered_map(call, items, parallel):
        for error in errors:
            on_error(error)
        yield result


@dataclass(frozen=True, slots=True)
class SplitListing:
    """A split of a source.

    Attributes:
        name: ``train``, ``val``, …
        classes: Class names in label order; empty for a flat split.
        notes: What was ignored, a sentence each.
    """

    name: str
    classes: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Names a source so that any process can open it.

    Attributes:
        location: Path, absolute if other processes read the source too, or
            ``s3://bucket/prefix``, or a pattern of them.
        selected: Names of the splits to take; empty takes all.
        classes: Names of the classes to take; None takes all.
        labels: Path of the classes of flat splits; None without ``--labels``.
        format: One of `SRC_FORMATS`; None detects it.
        endpoint: URL of the S3-compatible store that holds SRC; None takes the URL that the
            environment names.
        layout: One of `LAYOUTS`.
        keys: One of `KEYS`; ``file`` makes keys of archive and member or row.
        image_field: Column of the images, or their extension; None takes the default.
        label_field: Column of the labels, or their extension, or `NO_LABELS`; None takes the
            default.
    """

    location: str
    selected: tuple[str, ...] = field(default=())
    classes: tuple[str, ...] | None = None
    labels: str | None = None
    format: str | None = None
    endpoint: str | None = None
    layout: str = LAYOUTS[0]
    keys: str = KEYS[0]
    image_field: str | None = None
    label_field: str | None = None

    @property
    def non_default_options(self) -> dict[str, str]:
        """`SOURCE_OPTIONS` that differ from their defaults; `SourceSpec.from_card` reads them."""
        default = SourceSpec("")
        values = {name: getattr(self, name) for name in SOURCE_OPTIONS}
        return {name: v for name, v in values.items() if v != getattr(default, name)}

    @classmethod
    def from_card(
        cls,
        location: str,
        config: Mapping[str, Any],
        endpoint: str | None = None,
        splits: Collection[str] = (),
    ) -> SourceSpec:
        """The SRC of a data set, to be read as its build read it.

        Args:
            location: See `SourceSpec`.
            config: Configuration in the data set's card, ``index.json``.
            endpoint: See `SourceSpec`.
            splits: Splits of the data set. If there is only one, it may have been taken out of
                an archive with several splits, and is selected.
        """
        options = config.get("source_options")
        # The card may have been edited, so that any value is possible.
        known = options if isinstance(options, dict) else {}
        valid: dict[str, Any] = {
            name: value
            for name, value in known.items()
            if name in SOURCE_OPTIONS and isinstance(value, str)
        }
        selected = tuple(splits) if len(splits) == 1 else ()
        return cls(location, selected, endpoint=endpoint, **valid)

    @property
    def wanted_classes(self) -> frozenset[str] | None:
        """The classes to take as a set; None takes all."""
        return None if self.classes is None else frozenset(self.classes)


class Source(abc.ABC):
    """Lists images while a build is planned, and reads single images in any process.

    Args:
        spec: Names the source.
        on_error: Called for each error that would end a build; by default the first one is raised.

    Raises:
        SourceError: If it cannot be found out what the location is.
    """

    def __init__(self, spec: SourceSpec, on_error: OnError = raise_error) -> None:
        self._spec = spec
        self._on_error = on_error
        self._files = open_store(spec.location, spec.endpoint)
        try:
            self._kind = self._files.kind("")
        except OSError as error:
            raise SourceError(f"--src {spec.location}: {error.strerror}") from error

    @property
    def parallel(self) -> int:
        """Number of images that are worth reading at once, each by a thread."""
        return self._files.parallel

    @abc.abstractmethod
    def splits(self) -> tuple[SplitListing, ...]:
        """The splits in byte order of their names.

        Raises:
            SourceError: If SRC cannot be listed.
        """

    @abc.abstractmethod
    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """The images of a split in byte order of their keys; they are not read.

        Raises:
            SourceError: If SRC cannot be listed or two images have the same key.
        """

    def notes(self, split: SplitListing) -> Sequence[str]:
        """What `entries` of a split has ignored, a sentence each; to be called after it."""
        del split
        return ()

    @abc.abstractmethod
    def find(self, key: str, source: str) -> ImageEntry:
        """The image of a manifest row, without its class; no other image is read.

        Raises:
            SourceError: If SRC does not hold it.
        """

    @abc.abstractmethod
    def read(self, entry: ImageEntry) -> bytes:
        """All bytes of an image file.

        Raises:
            ImageError: If the file was never readable.
            SourceChangedError: If the file has changed since it was listed.
            SourceReadError: If its storage failed; another attempt may succeed.
        """


def single_split_name(folder: str, selected: tuple[str, ...]) -> str:
    """Name of the only split of a SRC without split folders.

    Args:
        folder: Name of SRC's own folder.
        selected: See `SourceSpec`.

    Raises:
        SourceError: If another split is selected, or several are.
    """
    if (name := as_split_name(folder)) is not None:
        if selected and selected != (name,):
            raise SourceError(f"--split {selected[0]}: SRC is the split {folder!r} itself")
        return name
    if len(selected) > 1:
        raise SourceError(f"--split {','.join(selected)}: SRC has no split folders; name one split")
    return selected[0] if selected else "train"


def as_split_name(folder: str) -> str | None:
    """The split that a folder's name is, in any case; None if it is not the name of a split."""
    return name if (name := folder.lower()) in SPLIT_NAMES else None


def select_splits(selected: Collection[str], present: Mapping[str, _T]) -> dict[str, _T]:
    """The splits to take, in byte order of their names.

    Args:
        selected: See `SourceSpec`.
        present: Names of the splits of SRC, to anything.

    Raises:
        SourceError: If SRC lacks a selected split.
    """
    if missing := sorted(set(selected) - present.keys()):
        raise SourceError(f"--split {missing[0]}: SRC has only {', '.join(sorted(present))}")
    return {name: present[name] for name in sorted(present) if not selected or name in selected}


def skip_repeated_keys(
    entries: Iterable[ImageEntry], on_error: OnError, hint: str = "rename one"
) -> Iterator[ImageEntry]:
    """The first image of each key, of images sorted by key.

    Args:
        entries: The images.
        on_error: Called for each further image of a key.
        hint: What to do about two images of one key.
    """
    last: ImageEntry | None = None
    for entry in entries:
        if last is not None and last.key == entry.key:
            message = f"{last.source} and {entry.source} have the same key ({entry.key}); {hint}"
            on_error(SourceError(message))
        else:
            yield entry
            last = entry


def in_label_order(names: Iterable[bytes]) -> list[str]:
    """Displayable class names, sorted as text as ImageFolder sorts them, not as keys."""
    return [displayable(name) for name in sorted(names, key=os.fsdecode)]


def is_image_name(name: bytes) -> bool:
    """Whether a file's name has the extension of an image."""
    return name.lower().endswith(IMAGE_EXTENSIONS)
