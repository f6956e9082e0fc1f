"""Whether the folders in a split are its classes, told by their names and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SPLIT_NAMES
from texgen.source.folder.contents import FolderCache, FolderContents
from texgen.source.paths import join_path, quote_path, quote_paths, src_option

FEW = 16
"""Folders of which each is looked into; of more, as many are looked at as a sample."""

_WORDS = {
    "train": ("train", "training", "trainset"),
    "val": ("val", "valid", "validation", "valset", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "testset"),
    "none": ("unlabeled",),
}
_LIKE_SPLITS = {word: split for split, words in _WORDS.items() for word in words}
"""Words in names of folders that are splits rather than classes, to what they mean."""

_IMAGE_FOLDERS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "jpg", "jpeg", "png")
)
"""Folders that say of what is in them no more than that it is images."""

_ALL_IMAGES = _IMAGE_FOLDERS - {"pictures", "photos"}
"""Of these, the ones that are no class beside others: photos may be one beside drawings."""


def is_flat(
    looks: FolderCache, folder: str, location: str, layout: str, keeps: str
) -> tuple[bool, list[str]]:
    """Whether the folders in a split are no classes, and what there is to say of that.

    Args:
        looks: Into SRC.
        folder: The split's, relative to SRC.
        location: SRC, for people.
        layout: One of `texgen.source.base.LAYOUTS`.
        keeps: The layout that would take every folder in the split as a class.

    Raises:
        SourceError: If that cannot be told; names the option that decides.
    """
    if layout in ("classes", "splits"):
        return False, []
    look = looks.look(folder, whole=True)
    if layout == "flat":
        return True, []
    if _are_parts(look):
        what = f"the folders of {_place(folder)} are img2dataset's parts, and no classes"
        return True, [f"{what}; --layout {keeps} takes them as classes"]
    if not 0 < len(look.folders) <= FEW:
        return False, []
    holders = looks.holders(folder)
    if _are_like_splits(holders):
        message = (
            f"--src {location}: {quote_paths(holders)} in {_place(folder)} are called like splits; "
            f"rename them to {', '.join(SPLIT_NAMES[:2])}, name one as SRC, or --layout "
            f"{keeps} takes them as classes"
        )
        raise SourceError(message)
    if len(holders) != 1:
        _refuse_images_and_more(folder, holders, location, keeps)
        # Inside a split the user has said what its folders are.
        if keeps == "classes":
            _refuse_domains(looks, folder, holders, location)
        return False, list(_deeper(looks, folder, holders))
    return _is_sole_flat(looks, folder, holders[0], location, keeps)


def _is_sole_flat(
    looks: FolderCache, folder: str, name: str, location: str, keeps: str
) -> tuple[bool, list[str]]:
    """`is_flat` of a split whose images all lie in one folder."""
    sole = join_path(folder, name)
    look = looks.look(sole)
    if look.images:
        if name.lower() not in _IMAGE_FOLDERS or looks.look(folder).images:
            return False, []
        note = f"folder {quote_path(sole)} is no class; --layout {keeps} takes it as one"
        return True, [note]
    holders = looks.holders(sole)
    while len(holders) == 1 and not looks.look(join_path(sole, holders[0])).images:
        name, sole = join_path(name, holders[0]), join_path(sole, holders[0])
        holders = looks.holders(sole)
    if len(holders) < 2:
        return False, []
    rename = src_option(location, sole) if not folder else f"move them up into {_place(folder)}"
    message = (
        f"--src {location}: {_place(folder)} holds one folder, {quote_path(name)}, whose folders "
        f"{quote_paths(holders)} hold the images; to take those as classes, {rename}; --layout "
        f"{keeps} makes one class of all"
    )
    raise SourceError(message)


def _are_like_splits(names: list[str]) -> bool:
    """Whether all folders are called like splits, or some of them like different ones."""
    like = [found for name in names if (found := splits_in(name))]
    return bool(like) and (len(like) == len(names) or len(set().union(*like)) > 1 < len(like))


def splits_in(name: str) -> set[str]:
    """The splits that words of a folder's name tell; ``valid`` and ``dev`` mean ``val``."""
    words = re.split(r"[^a-z]+", name.lower())
    return {_LIKE_SPLITS[word] for word in words if word in _LIKE_SPLITS}


def _refuse_images_and_more(folder: str, holders: list[str], location: str, keeps: str) -> None:
    """Refuses ``images`` beside ``masks``, and ``JPEGImages`` beside ``SegmentationClass``."""
    found = [name for name in holders if name.lower() in _ALL_IMAGES]
    if found:
        others = [name for name in holders if name not in found]
        message = (
            f"--src {location}: {quote_path(found[0])} in {_place(folder)} is called like the folder of "
            f"all images, but other folders hold images too ({quote_paths(others or found[1:])}); name "
            f"one as SRC ({src_option(location, join_path(folder, found[0]))}), or --layout {keeps} "
            "takes each as a class"
        )
        raise SourceError(message)


def _refuse_domains(looks: FolderCache, folder: str, holders: list[str], location: str) -> None:
    """Refuses folders that hold the same folders, so that these may be the classes.

    So come Office-Home's domains and ImageNet-C's severities. Where the folders are more than
    those that all of them hold, they are classes in parts.
    """
    inside = [looks.look(join_path(folder, name)) for name in holders]
    if not holders or any(look.images for look in inside):
        return
    same = set.intersection(*(set(look.folders) for look in inside))
    if len(same) >= len(holders):
        message = (
            f"--src {location}: {quote_paths(holders)} hold folders of the same names "
            f"({quote_paths(sorted(same))}), so that either may be the classes; name one as SRC "
            f"({src_option(location, join_path(folder, holders[0]))}), or --layout classes takes "
            f"{quote_paths(holders)} as classes"
        )
        raise SourceError(message)


def _deeper(looks: FolderCache, folder: str, holders: list[str]) -> Iterator[str]:
    """Says of classes whose images all lie in folders below: those may be the classes meant."""
    inside = ((name, looks.look(join_path(folder, name))) for name in holders)
    below = [
        join_path(name, look.folders[0])
        for name, look in inside
        if look.folders and not look.images and not _IMAGE_FOLDERS.issuperset(look.folders)
    ]
    if below:
        what = pluralize(len(below), "class")
        place = _place(folder)
        yield f"images of {what} in {place} lie in folders below, such as {quote_path(below[0])}"


def _place(folder: str) -> str:
    return quote_path(folder) if folder else "SRC"


def _are_parts(look: FolderContents) -> bool:
    """Whether img2dataset wrote the folders: it puts its counts beside each."""
    return bool(look.folders) and all(f"{name}_stats.json" in look.files for name in look.folders)
