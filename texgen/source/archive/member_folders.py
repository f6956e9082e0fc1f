"""The folders inside archives: which of them are classes, and which lie above the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SPLIT_NAMES, SourceSpec
from texgen.source.labels.rules import ArchiveImage
from texgen.source.paths import displayable, join_bytes

_SPLITS = {name.encode() for name in SPLIT_NAMES}
_SHOWN = 4


@dataclass(slots=True)
class MemberFolders:
    """The folders inside the archives of a split that hold images.

    Attributes:
        images: Path of a folder to the number of images directly in it.
    """

    images: Counter[bytes] = field(default_factory=Counter)

    def watch(self, images: Iterable[ArchiveImage]) -> Iterator[ArchiveImage]:
        """Counts images while it passes them on."""
        for image in images:
            self.images[image.path.rpartition(b"/")[0]] += 1
            yield image

    def children(self, folder: bytes) -> dict[bytes, bool]:
        """Names of the folders in a folder to whether these hold folders themselves."""
        children: dict[bytes, bool] = {}
        prefix = folder + b"/" if folder else b""
        for path in self.images:
            if path != folder and path.startswith(prefix):
                name, slash, _ = path[len(prefix) :].partition(b"/")
                children[name] = children.get(name, False) or bool(slash)
        return children


@dataclass(slots=True)
class ClassRoot:
    """The folder inside the archives of a split that holds its classes.

    Attributes:
        path: Path of the folder, which is not part of keys; empty for the top of the archives.
    """

    path: bytes = b""
    _outside: int = field(default=0, init=False)

    def images(self, images: Iterable[ArchiveImage]) -> Iterator[ArchiveImage]:
        """The images in the folder, with their paths relative to it."""
        prefix = self.path + b"/" if self.path else b""
        self._outside = 0
        for image in images:
            if image.path.startswith(prefix):
                yield image._replace(path=image.path[len(prefix) :])
            else:
                self._outside += 1

    def notes(self, split: str) -> Iterator[str]:
        """What was left out, a sentence each."""
        if self.path:
            path = displayable(self.path)
            yield f"the images of {split!r} lie in {path}/, which is left out of keys"
        if self._outside:
            outside = pluralize(self._outside, "image")
            yield f"{outside} outside of {displayable(self.path)}/ ignored"


def find_class_root(folders: MemberFolders, split: str, spec: SourceSpec) -> ClassRoot:
    """Finds the folder whose folders are the classes.

    Raises:
        SourceError: If there are several answers; names the option that decides.
    """
    root = b""
    while spec.layout not in ("classes", "flat"):
        children = folders.children(root)
        if names := _split_folders(children, spec.layout):
            return ClassRoot(_selected_folder(root, names, children, split, spec))
        if len(children) != 1 or not any(children.values()):
            break
        (name,) = children
        root = join_bytes(root, name)
        direct = folders.images[root]
        if direct and not _split_folders(folders.children(root), spec.layout):
            raise SourceError(
                f"{pluralize(direct, 'image')} of {split!r} lie in {displayable(root)}/ itself "
                "and others in folders below it; pack the classes alone, or add --layout classes "
                f"for the one class {displayable(name)!r}"
            )
    return ClassRoot(root)


def _split_folders(children: Mapping[bytes, bool], layout: str) -> list[bytes]:
    """Names of the folders that are splits, of folders side by side (`MemberFolders.children`)."""
    names = sorted(name for name in children if name.lower() in _SPLITS)
    # Beside other folders, one with the name of a split that holds no folders is a class.
    are_splits = len(names) == len(children) or any(children[name] for name in names)
    are_splits |= layout == "splits"
    return names if are_splits else []


def _selected_folder(
    root: bytes, names: Sequence[bytes], children: Collection[bytes], split: str, spec: SourceSpec
) -> bytes:
    """Path of the split folder that has the split's name.

    Raises:
        SourceError: If there is none, or other folders are beside it and no split is selected.
    """
    own = [name for name in names if name.lower() == split.encode()]
    if len(own) == 1 and (len(children) == 1 or spec.selected):
        return join_bytes(root, own[0])
    folders = _listed(join_bytes(root, name) for name in names)
    raise SourceError(
        f"the archives of {split!r} hold the split folders {folders}; take one by --split "
        f"{names[0].decode().lower()}, or unpack them and name the folder, or add --layout classes "
        "if these are classes"
    )


def refuse_mixed(folders: MemberFolders, split: str, spec: SourceSpec) -> None:
    """Refuses archives of one split whose images lie in folders of several splits.

    Raises:
        SourceError: If the keys have the folders of several splits.
    """
    splits = {folder for path in folders.images for folder in _split_steps(path)}
    names = {folder.rpartition(b"/")[2].lower() for folder in splits}
    if spec.layout != "classes" and len(names) > 1:
        listed = _listed(sorted(splits))
        raise SourceError(
            f"the keys of {split!r} have the folders of several splits ({listed}); pack each split "
            "into archives of its own, or add --layout classes to take all as one"
        )


def _split_steps(path: bytes) -> Iterator[bytes]:
    """The path down to its first step with the name of a split; nothing without such a step."""
    steps = path.split(b"/")
    for depth, step in enumerate(steps):
        if step.lower() in _SPLITS:
            yield b"/".join(steps[: depth + 1])
            return


def _listed(paths: Iterable[bytes]) -> str:
    names = [f"{displayable(path)}/" for path in paths]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
