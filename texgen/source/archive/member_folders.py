"""The folders inside archives: which of them are classes, and which lie above classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SPLIT_NAMES, SourceSpec, displayable
from texgen.source.labels.rules import ArchiveImage
from texgen.source.member_names import join_bytes

_SPLITS = {name.encode() for name in SPLIT_NAMES}
_SHOWN = 4


@dataclass(slots=True)
class Folders:
    """The folders that hold images.

    Attributes:
        images: Path of a folder to the number of images directly in it.
    """

    images: Counter[bytes] = field(default_factory=Counter)

    def add(self, path: bytes) -> None:
        """Takes an image's path."""
        self.images[path.rpartition(b"/")[0]] += 1

    def watch(self, pictures: Iterable[ArchiveImage]) -> Iterator[ArchiveImage]:
        """Takes images that pass by."""
        for picture in pictures:
            self.add(picture.path)
            yield picture

    def children(self, folder: bytes) -> dict[bytes, bool]:
        """Names of the folders in a folder, and whether there are folders in them."""
        found: dict[bytes, bool] = {}
        start = folder + b"/" if folder else b""
        for path in self.images:
            if path != folder and path.startswith(start):
                name, slash, _ = path[len(start) :].partition(b"/")
                found[name] = found.get(name, False) or bool(slash)
        return found

    def splits(self) -> list[bytes]:
        """The folders called like splits, if these are several."""
        found = {step for path in self.images for step in _split_steps(path)}
        names = {path.rpartition(b"/")[2].lower() for path in found}
        return sorted(found) if len(names) > 1 else []


@dataclass(slots=True)
class Inside:
    """Where in the archives of a split its classes lie.

    Attributes:
        above: The folder that holds them, which is not part of keys; empty without one.
    """

    above: bytes = b""
    _outside: int = field(default=0, init=False)

    def pictures(self, pictures: Iterable[ArchiveImage]) -> Iterator[ArchiveImage]:
        """Those in that folder, their paths below it."""
        start = self.above + b"/" if self.above else b""
        self._outside = 0
        for picture in pictures:
            if picture.path.startswith(start):
                yield picture._replace(path=picture.path[len(start) :])
            else:
                self._outside += 1

    def notes(self, split: str) -> Iterator[str]:
        """What is not as it looks, a sentence each."""
        if self.above:
            above = displayable(self.above)
            yield f"the images of {split!r} lie in {above}/, which is left out of keys"
        if self._outside:
            outside = pluralize(self._outside, "image")
            yield f"{outside} outside of {displayable(self.above)}/ ignored"


def look_inside(folders: Folders, split: str, spec: SourceSpec) -> Inside:
    """Where the classes are that are told by folders.

    Args:
        folders: Those of the split's archives.
        split: The split's name.
        spec: Names the splits that are wanted, and may say that first folders are classes.

    Raises:
        SourceError: If that cannot be known; says which option decides.
    """
    above = b""
    while spec.layout not in ("classes", "flat"):
        inside = folders.children(above)
        if names := _split_folders(inside, spec.layout):
            return Inside(_own_folder(above, names, inside, split, spec))
        if len(inside) != 1 or not any(inside.values()):
            break
        (name,) = inside
        above = join_bytes(above, name)
        direct = folders.images[above]
        if direct and not _split_folders(folders.children(above), spec.layout):
            message = (
                f"{pluralize(direct, 'image')} of {split!r} lie in {displayable(above)}/ itself "
                "and others in folders below it; pack the classes alone, or add --layout classes "
                f"for the one class {displayable(name)!r}"
            )
            raise SourceError(message)
    return Inside(above)


def _split_folders(inside: Mapping[bytes, bool], layout: str) -> list[bytes]:
    """The folders that are splits.

    Args:
        inside: Names of folders side by side, and whether there are folders in them.
        layout: See `SourceSpec`.
    """
    names = sorted(name for name in inside if name.lower() in _SPLITS)
    # Among others, one that holds images and no folders is a class of that name.
    are_splits = len(names) == len(inside) or any(inside[name] for name in names)
    are_splits |= layout == "splits"
    return names if are_splits else []


def _own_folder(
    above: bytes, names: Sequence[bytes], inside: Collection[bytes], split: str, spec: SourceSpec
) -> bytes:
    own = [name for name in names if name.lower() == split.encode()]
    if len(own) == 1 and (len(inside) == 1 or spec.selected):
        return join_bytes(above, own[0])
    found = _listed(join_bytes(above, name) for name in names)
    message = (
        f"the archives of {split!r} hold the split folders {found}; take one by --split "
        f"{names[0].decode().lower()}, or unpack them and name the folder, or add --layout classes "
        "if these are classes"
    )
    raise SourceError(message)


def refuse_mixed(folders: Folders, split: str, spec: SourceSpec) -> None:
    """Refuses labelled images of several splits in one.

    Raises:
        SourceError: If their keys have the folders of several splits.
    """
    if spec.layout != "classes" and (found := folders.splits()):
        message = (
            f"the keys of {split!r} have the folders of several splits ({_listed(found)}); pack "
            "each split into archives of its own, or add --layout classes to take all as one"
        )
        raise SourceError(message)


def _split_steps(path: bytes) -> Iterator[bytes]:
    """The path down to its first step that is called like a split."""
    steps = path.split(b"/")
    for depth, step in enumerate(steps):
        if step.lower() in _SPLITS:
            yield b"/".join(steps[: depth + 1])
            return


def _listed(paths: Iterable[bytes]) -> str:
    names = [f"{displayable(path)}/" for path in paths]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
