"""What a check has found, and how far it is."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from texgen.core.text import escape_unprintable, pluralize


@dataclass
class VerifyReport:
    """What was found.

    Attributes:
        shards: Shards read.
        textures: Textures read.
        rows: Manifest rows read.
        decoded: Textures decoded.
        photographs: Photographs that rows were compared with.
        remade: Textures made anew and compared.
        sample_seed: What chose those; None where none were wanted.
        faults: What is wrong, a sentence each that begins with the file.
        notes: What is not checked, and why.
        delete: Paths of shards that are damaged whatever SRC is. A build, with the photographs as
            they were, makes them again once they are deleted.
        unlike_src: Paths of shards that are whole, but not what SRC gives now: either may be at
            fault.
        unread: Paths of shards that could not be read, so that nothing is known of them.
        hindrance: Why a build with what is installed here makes no such shard; None where it
            does, or where none is to be made.
        strays: Paths of files that are not the data set's.
        sources: Those of the faults that are SRC's, not OUT's.
        mendable: Whether a build goes on in OUT; where ``_build`` is gone, none does.
    """

    shards: int = 0
    textures: int = 0
    rows: int = 0
    decoded: int = 0
    photographs: int = 0
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
        """Takes faults of OUT in, each on one line whatever name it holds."""
        self.faults += map(escape_unprintable, faults)

    def add_sources(self, faults: Iterable[str]) -> None:
        """Takes faults of SRC in."""
        lines = [*map(escape_unprintable, faults)]
        self.faults += lines
        self.sources += lines


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a check is.

    Attributes:
        done: Textures checked.
        total: Textures to check.
        faults: Faults so far.
        anew: Whether these are the textures that are made anew.
    """

    done: int
    total: int
    faults: int
    anew: bool = False


OnChecked = Callable[[Checked], None]


class Kinds:
    """Faults by kind, a few of each: one cause may belie every row.

    Args:
        shown: Faults of a kind that are kept; the others are counted.
        noun: What the others are called.
    """

    def __init__(self, noun: str, shown: int = 1) -> None:
        self._noun = noun
        self._shown = shown
        self._kept: dict[str, list[str]] = {}
        self._times: Counter[str] = Counter()

    def add(self, kind: str, what: str) -> None:
        """Takes a fault in."""
        kept = self._kept.setdefault(kind, [])
        if len(kept) < self._shown:
            kept.append(what)
        self._times[kind] += 1

    def lines(self) -> Iterator[str]:
        """The faults, kind after kind; the last of a kind says how many more there are."""
        for kind, kept in self._kept.items():
            yield from kept[:-1]
            more = self._times[kind] - len(kept)
            yield f"{kept[-1]} (and {pluralize(more, self._noun)} more)" if more else kept[-1]


class CheckCounter:
    """What threads have looked at so far.

    Attributes:
        textures: Rows with a texture that were checked.
        decoded: Those of them that decode.
        photographs: Photographs decoded, or found to be none.
        foreign: Textures that are not what their photographs give here.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.textures = 0
        self.decoded = 0
        self.photographs = 0
        self.first_unknown_file = 0

    def add(
        self, *, textures: int = 0, decoded: int = 0, photographs: int = 0, foreign: int = 0
    ) -> None:
        """Counts more."""
        with self._guard:
            self.textures += textures
            self.decoded += decoded
            self.photographs += photographs
            self.first_unknown_file += foreign
