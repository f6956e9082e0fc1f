"""Where photographs come from: one `Source` for each form that people keep them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from texgen.errors import ConfigError, SourceError
from texgen.source.folder import FolderSource, SplitListing, throw
from texgen.source.labels import BUILT_IN_CLASSES, read_classes, read_labels
from texgen.types import ImageEntry

__all__ = [
    "BUILT_IN_CLASSES",
    "FolderSource",
    "Source",
    "SourceSpec",
    "SplitListing",
    "open_source",
    "read_classes",
    "read_labels",
]


class Source(Protocol):
    """Lists photographs while a build is planned, and reads them, anywhere, one by one."""

    def splits(self) -> tuple[SplitListing, ...]:
        """The splits that are there, in byte order of their names.

        Raises:
            SourceError: If the place cannot be listed.
        """
        ...

    def entries(self, split: SplitListing) -> Iterator[ImageEntry]:
        """The photographs of a split in byte order of their keys; headers are not read.

        Raises:
            SourceError: If a folder cannot be listed or two photographs give one key.
        """
        ...

    def find(self, key: str, source: str) -> ImageEntry:
        """The photograph of a manifest row, without its class; nothing else is listed.

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


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Names a source so that any process can open it.

    Attributes:
        location: Absolute path.
        selected: Names of the splits to take; empty takes those that are there.
        classes: Those to take, None for all.
        labels: Path of the classes of flat splits, None where there are none.
    """

    location: str
    selected: tuple[str, ...] = field(default=())
    classes: tuple[str, ...] | None = None
    labels: str | None = None


def open_source(spec: SourceSpec, problem: Callable[[SourceError], None] = throw) -> Source:
    """Opens the source that ``spec`` names.

    Args:
        spec: Of the source.
        problem: Called with each thing in a listing that a build would end at; without
            it the first one is raised.

    Raises:
        ConfigError: If this version cannot read such a source.
        SourceError: If there is nothing.
    """
    location = spec.location
    if "://" in location:
        message = f"--src {location}: only folders can be read so far; copy the photographs to one"
        raise ConfigError(message)
    return FolderSource(
        Path(location),
        spec.selected,
        classes=spec.classes,
        labels=spec.labels,
        problem=problem,
    )
