"""Where the splits of a folder of images lie, and whether their folders are classes.

docs/sources.md has the rule: what can be read in two ways is refused with the option that decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import ARCHIVE_FORMATS, SPLIT_NAMES, as_split_name
from texgen.source.folder.class_folders import FEW, splits_in
from texgen.source.folder.contents import FolderCache, FolderContents, refuse_lost
from texgen.source.packed import PACKED_TARS
from texgen.source.paths import join_path, quote_path, quote_paths, src_option

DEPTH = 4
"""Folders between SRC and the place that holds its splits, at most."""


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """What a folder source consists of.

    Attributes:
        place: The folder of the splits, or the only split, relative to SRC.
        splits: Split to its folder, relative to SRC; empty where the place is the only split.
        notes: What was found further down or left out, a sentence each.
    """

    place: str
    splits: dict[str, str]
    notes: tuple[str, ...] = ()


def find_layout(looks: FolderCache, location: str, layout: str) -> FolderLayout:
    """Finds the splits of a folder source.

    Args:
        looks: Into SRC.
        location: SRC, for people.
        layout: One of `texgen.source.base.LAYOUTS`.

    Raises:
        OSError: If SRC cannot be listed.
        SourceError: If there is more than one way to read it; names the option that decides.
    """
    place, notes = snapshot_of(looks, location)
    top = looks.look(place, whole=True)
    notes += _archives_beside(top)
    if layout == "classes":
        return FolderLayout(place, {}, tuple(notes))
    if not top.splits():
        deeper = _place_below(looks, place, location)
        if deeper is not None:
            notes.append(f"the splits are those in {quote_path(deeper)}, a folder below SRC")
            place, top = deeper, looks.look(deeper, whole=True)
        elif layout == "splits":
            message = (
                f"--src {location}: --layout splits, but no folder is called "
                f"{', '.join(SPLIT_NAMES)}; leave --layout out, or name another SRC"
            )
            raise SourceError(message)
    gone = [name for name in top.lost if as_split_name(name)]
    refuse_lost(location, place, gone, "a split")
    splits = dict(_splits(top, place, location))
    notes += [
        f"folder {quote_path(folder)} is taken as the split {name!r}"
        for name, path in splits.items()
        if (folder := path.rpartition("/")[2]) != name
    ]
    if splits:
        others = [name for name in top.folders if join_path(place, name) not in splits.values()]
        if layout != "splits":
            _refuse_images_beside(looks, place, location, list(splits.values()), others)
        notes += [f"folder {quote_path(name)} is not a split and is ignored" for name in others]
        if top.images:
            notes.append(f"{pluralize(top.images, 'image')} beside the splits ignored")
        # Of a place without splits they are counted with its images.
        notes += system_notes(top)
    return FolderLayout(place, splits, tuple(notes))


def _archives_beside(look: FolderContents) -> Iterator[str]:
    """Archives in SRC, which images in folders go before."""
    for suffix, form in ARCHIVE_FORMATS.items():
        if names := sorted(name for name in look.files if name.endswith(suffix)):
            official = form == "webdataset" and any(
                name.startswith("ILSVRC2012_") for name in names
            )
            what = pluralize(len(names), f"{suffix} file")
            yield (
                f"{what} beside the folders of images ignored ({quote_paths(names)}); --src-format "
                f"{'ilsvrc' if official else form} takes them instead"
            )
    if names := sorted(name for name in look.files if name.endswith(PACKED_TARS)):
        what = pluralize(len(names), "compressed tar")
        yield f"{what} beside the folders of images ignored ({quote_paths(names)})"


def system_notes(look: FolderContents) -> Iterator[str]:
    """Says that folders of operating systems are left out, where there are any."""
    if look.systems:
        folders = pluralize(len(look.systems), "folder")
        yield f"{folders} of systems ({quote_paths(look.systems)}) ignored"


def _splits(look: FolderContents, place: str, location: str) -> Iterator[tuple[str, str]]:
    for name, folders in sorted(look.splits().items()):
        if len(folders) > 1:
            message = (
                f"--src {location}: the folders {quote_paths(folders)} are both called like the split "
                f"{name!r}; rename one"
            )
            raise SourceError(message)
        yield name, join_path(place, folders[0])


def _refuse_images_beside(
    looks: FolderCache, place: str, location: str, splits: list[str], others: list[str]
) -> None:
    """Refuses folders of images beside the splits: then these may be classes, too."""
    holders = [name for name in others if looks.holds_images(join_path(place, name))]
    if holders:
        names = [path.rpartition("/")[2] for path in splits]
        may = "may be a split or a class" if len(names) == 1 else "may be splits or classes"
        message = (
            f"--src {location}: {quote_paths(names, 4)} {may}, since other folders hold images too "
            f"({quote_paths(holders)}); --layout splits leaves those out, --layout classes takes every "
            f"folder as a class{_renamed(holders)}"
        )
        raise SourceError(message)


def _renamed(names: list[str]) -> str:
    """What makes a split of a folder that is called nearly so, such as Roboflow's ``valid``."""
    name = next((name for name in names if splits_in(name) == {"val"}), None)
    return f", and a link or name 'val' makes {quote_path(name)} a split" if name else ""


def snapshot_of(looks: FolderCache, location: str) -> tuple[str, list[str]]:
    """The revision to take where SRC is a folder of the Hugging Face Hub's cache, and a note.

    The cache keeps files in ``blobs`` and links to them in ``snapshots/REVISION``.

    Raises:
        SourceError: If it holds several revisions and does not say which one is ``main``.
    """
    if not {"blobs", "snapshots"} <= set(looks.look("").folders):
        return "", []
    revisions = looks.look("snapshots").folders
    main = looks.text("refs/main")
    if main not in revisions and len(revisions) != 1:
        found = quote_paths(revisions) if revisions else "none"
        message = (
            f"--src {location}: a cache of the Hugging Face Hub with {len(revisions)} revisions "
            f"({found}); name one: --src {location}/snapshots/REVISION"
        )
        raise SourceError(message)
    revision = main if main in revisions else revisions[0]
    return f"snapshots/{revision}", [f"the images are those of the revision {revision}"]


def _place_below(looks: FolderCache, base: str, location: str) -> str | None:
    """The one folder below ``base`` that holds splits; None where there is none.

    Raises:
        SourceError: If there are several, or images lie elsewhere too.
    """
    if _is_class_folders(looks, base):
        return None
    places, elsewhere, settled = list[str](), list[str](), set[str]()
    for path, look in looks.below(base, DEPTH, lambda path, _: path not in settled):
        if path == base:
            continue
        split_folders = (name for names in look.splits().values() for name in names)
        if any(looks.holds_images(join_path(path, name)) for name in split_folders):
            places.append(path)
        elif look.images:
            elsewhere.append(path)
        else:
            continue
        settled.add(path)
    if not places:
        return None
    if len(places) > 1 or elsewhere:
        beside = f", and images in {quote_paths(elsewhere)}" if elsewhere else ""
        message = (
            f"--src {location}: splits further down, in {quote_paths(places)}{beside}; name one place "
            f"({src_option(location, places[0])}), or --layout classes takes the folders of SRC "
            "as classes"
        )
        raise SourceError(message)
    return places[0]


def _is_class_folders(looks: FolderCache, base: str) -> bool:
    """Whether images lie directly in the folders of a place, as far as a sample tells."""
    folders = looks.look(base).folders
    if len(folders) <= FEW:
        return False
    sample = [*folders[: FEW // 2], *folders[-FEW // 2 :]]
    return all(look.images for _, look in looks.many(join_path(base, name) for name in sample))
