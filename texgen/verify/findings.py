"""Results of a check, and its progress."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from texgen.core.text import escape_unprintable, pluralize


@dataclass
class VerifyReport:
    """Result of a check; its fields are those of ``texgen verify --json``.

    Attributes:
        shards: Number of shards read.
        textures: Number of textures read.
        rows: Number of manifest rows read.
        decoded: Number of textures decoded.
        remade: Number of textures that were rebuilt and compared.
        sample_seed: Seed that chose those; None if none were wanted.
        faults: Faults, each a sentence that begins with the file.
        notes: Checks that were left out, with the reason.
        delete: Paths of shards that are damaged whatever SRC is. Once they are deleted, a build
            with the original images rebuilds them.
        unlike_src: Paths of shards that are intact, but differ from what SRC gives now: either
            may be at fault.
        unread: Paths of shards that could not be read, and so not checked.
        hindrance: Reason that a build with the installed software would not rebuild such a shard;
            None if it would, or if no shard is to be rebuilt.
        strays: Paths of files that do not belong to the data set.
        sources: Faults that are SRC's, not OUT's; they are among ``faults`` too.
        mendable: Whether a build can resume in OUT; it cannot where ``_build`` is missing.
    """

    shards: int = 0
    textures: int = 0
    rows: int = 0
    decoded: int = 0
    photographs: int = 0
    """Number of images of SRC that rows were compared with."""
    remade: int = 0
    sample_seed: int | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    unlike_src: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    hindrance: str | None = None
    strays: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    mendable: bool = True

    def add(self, faults: Iterable[str]) -> None:
        """Adds faults of OUT, each on one line whatever characters a name holds."""
        self.faults += map(escape_unprintable, faults)

    def add_sources(self, faults: Iterable[str]) -> None:
        """Adds faults of SRC."""
        lines = [*map(escape_unprintable, faults)]
        self.faults += lines
        self.sources += lines


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """Progress of a check.

    Attributes:
        done: Number of textures checked.
        total: Number of textures to check.
        faults: Number of faults so far.
    """

    done: int
    total: int
    faults: int
    rebuilding: bool = False
    """Whether these are the textures of the sample, which are rebuilt."""


OnVerifyProgress = Callable[[VerifyProgress], None]


class FaultsByKind:
    """Faults by kind, a few of each, since one cause may affect every row.

    Args:
        noun: Noun for what has a fault, in the count of the others.
        shown: Number of faults of a kind that are kept; the others are only counted.
    """

    def __init__(self, noun: str, shown: int = 1) -> None:
        self._noun = noun
        self._shown = shown
        self._kept: dict[str, list[str]] = {}
        self._times: Counter[str] = Counter()

    def add(self, kind: str, fault: str) -> None:
        """Adds a fault."""
        kept = self._kept.setdefault(kind, [])
        if len(kept) < self._shown:
            kept.append(fault)
        self._times[kind] += 1

    def lines(self) -> Iterator[str]:
        """Yields the faults, kind after kind; the last of a kind gives the number of others."""
        for kind, kept in self._kept.items():
            yield from kept[:-1]
            more = self._times[kind] - len(kept)
            yield f"{kept[-1]} (and {pluralize(more, self._noun)} more)" if more else kept[-1]


@dataclass
class CheckCounter:
    """Counts from several threads.

    Attributes:
        textures: Rows with a texture that were checked.
        decoded: Textures that decode.
        images: Images of SRC that were decoded, or found to be unreadable.
        mismatches: Textures that are not what their images give here.
    """

    textures: int = 0
    decoded: int = 0
    images: int = 0
    mismatches: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, *, textures: int = 0, decoded: int = 0, images: int = 0, mismatches: int = 0
    ) -> None:
        """Adds to the counts."""
        with self._guard:
            self.textures += textures
            self.decoded += decoded
            self.images += images
            self.mismatches += mismatches
