"""What every source has in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from texgen.core.errors import SourceError
from texgen.core.types import ImageEntry
from texgen.source.paths import displayable

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
"""Suffix to what holds images under it, as ``--src-format`` names it."""

LAYOUTS = ("auto", "splits", "classes", "flat")
"""What the folders in SRC are; docs/sources.md has the rule."""

KEYS = ("name", "file")
"""What keys of photographs in archives are made of: their own names, or archive and place."""

SOURCE_OPTIONS = ("layout", "keys", "image_field", "label_field")
"""Fields of `SourceSpec` that say how SRC is read."""

NO_LABELS = "none"
"""The label field of those who want none."""

MAX_FILE_BYTES = 1 << 30
"""A larger photograph is a failed row: read whole, it could take a task's memory with it."""

OnError = Callable[[SourceError], None]
"""Called with each thing in a listing that a build would end at."""


def raise_error(error: SourceError) -> None:
    """Raises what it is called with: how a build takes problems."""
    raise error


@dataclass(frozen=True, slots=True)
class SplitListing:
    """A split as found.

    Attributes:
        name: ``train``, ``val``, …
        classes: Class names in label order; empty for a flat split.
        notes: What was seen and ignored, a sentence each.
    """

    name: str
    classes: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Names a source so that any process can open it.

    Attributes:
        location: Absolute path or ``s3://bucket/prefix``, or a pattern of them.
        selected: Names of the splits to take; empty takes those that are there.
        classes: Those to take, None for all.
        labels: Path of the classes of flat splits, None where there are none.
        format: One of `SRC_FORMATS`, None where it is still to be found by looking.
        endpoint: URL of the S3-compatible store of what lies in a bucket; None is what the
            environment names.
        layout: One of `LAYOUTS`.
        keys: ``name``, or ``file`` for keys of archive and member or row.
        image_field: Column of the images, or extension of theirs; None is the usual one.
        label_field: Column of the labels, or extension of theirs, or `NO_LABELS`; None is
            the usual one.
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
    def choices(self) -> dict[str, str]:
        """How SRC is read where that is not as usual: what `SourceSpec.of_card` takes again."""
        usual = SourceSpec("")
        given = {name: getattr(self, name) for name in SOURCE_OPTIONS}
        return {name: v for name, v in given.items() if v != getattr(usual, name)}

    @classmethod
    def of_card(
        cls,
        location: str,
        config: Mapping[str, Any],
        endpoint: str | None = None,
        splits: Collection[str] = (),
    ) -> SourceSpec:
        """The SRC of a data set, read as it was when that was built.

        Args:
            location: See `SourceSpec`.
            config: The configuration in the data set's card.
            endpoint: See `SourceSpec`.
            splits: Those of the data set. A single one may have been taken out of several in an
                archive, and is selected.
        """
        choices = config.get("source_options")
        # A card that was edited may say anything.
        known = choices if isinstance(choices, dict) else {}
        fitting: dict[str, Any] = {
            name: value
            for name, value in known.items()
            if name in SOURCE_OPTIONS and isinstance(value, str)
        }
        selected = tuple(splits) if len(splits) == 1 else ()
        return cls(location, selected, endpoint=endpoint, **fitting)

    @property
    def taken(self) -> frozenset[str] | None:
        """The classes to take as a set, None for all."""
        return None if self.classes is None else frozenset(self.classes)


class Source(Protocol):
    """Lists photographs while a build is planned, and reads them, anywhere, one by one.

    Attributes:
        parallel: Photographs that are worth being read at once, by as many threads.
    """

    @property
    def parallel(self) -> int:
        """See above."""
        ...

    def splits(self) -> tuple[SplitListing, ...]:
        """The splits that are there, in byte order of their names.

        Raises:
            SourceError: If the place cannot be listed.
        """
        ...

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """The photographs of a split in byte order of their keys; they are not read.

        Raises:
            SourceError: If the place cannot be listed or two photographs give one key.
        """
        ...

    def notes(self, split: SplitListing) -> Sequence[str]:
        """What listing the images of a split has shown, a sentence each; after `entries`."""
        ...

    def find(self, key: str, source: str) -> ImageEntry:
        """The photograph of a manifest row, without its class; nothing else is read.

        Raises:
            SourceError: If it is not there.
        """
        ...

    def read(self, entry: ImageEntry) -> bytes:
        """The whole file.

        Raises:
            ImageError: If it was never readable.
            SourceChangedError: If it is not what it was when it was listed.
            SourceReadError: If its storage failed; another attempt may succeed.
        """
        ...


def single_split_name(own: str, selected: tuple[str, ...]) -> str:
    """Name of the only split of a place that names none inside.

    Args:
        own: Name of the place itself.
        selected: See `SourceSpec`.

    Raises:
        SourceError: If the place is not what was selected.
    """
    if (name := as_split_name(own)) is not None:
        if selected and selected != (name,):
            message = f"--split {selected[0]}: SRC is the split {own!r} itself"
            raise SourceError(message)
        return name
    if len(selected) > 1:
        message = f"--split {','.join(selected)}: SRC names no splits; name one"
        raise SourceError(message)
    return selected[0] if selected else "train"


def as_split_name(folder: str) -> str | None:
    """Name of the split whose name a folder has, in any case; None where it has none."""
    return name if (name := folder.lower()) in SPLIT_NAMES else None


def check_selected(selected: tuple[str, ...], present: Iterable[str]) -> None:
    """Checks that every selected split is there.

    Raises:
        SourceError: If one is not.
    """
    there = sorted(present)
    missing = sorted(set(selected) - set(there))
    if missing:
        message = f"--split {missing[0]}: SRC has only {', '.join(there)}"
        raise SourceError(message)


def in_label_order(names: Iterable[bytes]) -> list[str]:
    """Class names as people see them, sorted as text, as ImageFolder sorts, not as keys."""
    return [displayable(name) for name in sorted(names, key=os.fsdecode)]


def is_image_name(name: bytes) -> bool:
    """Whether a file's name ends as those of images do."""
    return name.lower().endswith(IMAGE_EXTENSIONS)
