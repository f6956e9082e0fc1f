"""Decides whether the folders in a split are its classes, by their names and contents."""

from __future__ import annotations

import re
from collections.abc import Iterator

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import SPLIT_NAMES
from texgen.source.folder.contents import FolderCache, FolderContents
from texgen.source.paths import join_path, quote_path, quote_paths, src_option

FEW = 16
"""Up to so many folders are all examined; of more, a sample of this size is."""

_SPLIT_WORDS = {
    "train": ("train", "training", "trainset"),
    "val": ("val", "valid", "validation", "valset", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "testset"),
    "none": ("unlabeled",),
}
_SPLIT_OF_WORD = {word: split for split, words in _SPLIT_WORDS.items() for word in words}
"""Words in names of folders that are probably splits, not classes, to the split that they mean."""

_IMAGE_FOLDERS = frozenset(
    ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "jpg", "jpeg", "png")
)
"""Names of folders that only mean "images in here"."""

_NEVER_CLASSES = _IMAGE_FOLDERS - {"pictures", "photos"}
"""Names that are never a class; ``photos`` may be one, beside a class ``drawings``."""


def is_flat(
    cache: FolderCache, folder: str, layout: str, classes_layout: str
) -> tuple[bool, list[str]]:
    """Whether a split is flat, so that its folders are not classes; and notes about that.

    Args:
        cache: Folders of SRC.
        folder: Folder of the split, relative to SRC.
        layout: One of `texgen.source.base.LAYOUTS`.
        classes_layout: Value of ``--layout`` that makes every folder in the split a class.

    Raises:
        SourceError: If both are possible; the message names the option that decides.
    """
    if layout in ("classes", "splits"):
        return False, []
    contents = cache.contents(folder, complete=True)
    if layout == "flat":
        return True, []
    if _are_img2dataset_parts(contents):
        note = f"the folders of {_display(folder)} are img2dataset's parts, and no classes"
        return True, [f"{note}; --layout {classes_layout} takes them as classes"]
    if not 0 < len(contents.folders) <= FEW:
        return False, []
    names = cache.folders_with_images(folder)
    if _resemble_splits(names):
        raise SourceError(
            f"--src {cache.location}: the names of {quote_paths(names)} in {_display(folder)} "
            f"resemble splits; rename them to {', '.join(SPLIT_NAMES[:2])}, name one of them as "
            f"SRC, or add --layout {classes_layout} to take them as classes"
        )
    if len(names) == 1:
        return _is_single_folder_flat(cache, folder, names[0], classes_layout)
    _refuse_image_folder_among_others(cache, folder, names, classes_layout)
    # Inside a split folder the user has said what the folders are.
    if classes_layout == "classes":
        _refuse_domains(cache, folder, names)
    return False, list(_note_deep_images(cache, folder, names))


def _is_single_folder_flat(
    cache: FolderCache, folder: str, name: str, classes_layout: str
) -> tuple[bool, list[str]]:
    """`is_flat` for a split whose images all lie in one folder."""
    path = join_path(folder, name)
    if cache.contents(path).images:
        if name.lower() not in _IMAGE_FOLDERS or cache.contents(folder).images:
            return False, []
        note = f"folder {quote_path(path)} is no class; --layout {classes_layout} takes it as one"
        return True, [note]
    names = cache.folders_with_images(path)
    while len(names) == 1 and not cache.contents(join_path(path, names[0])).images:
        name, path = join_path(name, names[0]), join_path(path, names[0])
        names = cache.folders_with_images(path)
    if len(names) < 2:
        return False, []
    option = src_option(cache.location, path)
    action = f"move them up into {_display(folder)}" if folder else f"use {option}"
    raise SourceError(
        f"--src {cache.location}: {_display(folder)} holds only the folder {quote_path(name)}, "
        f"whose folders {quote_paths(names)} hold the images; to take those as classes, {action}; "
        f"to take all images as one class, add --layout {classes_layout}"
    )


def _resemble_splits(names: list[str]) -> bool:
    """Whether all names resemble splits, or several names resemble different splits."""
    resembled = [splits for name in names if (splits := resembled_splits(name))]
    if not resembled:
        return False
    different = len(set().union(*resembled)) > 1 and len(resembled) > 1
    return len(resembled) == len(names) or different


def resembled_splits(name: str) -> set[str]:
    """Splits that the words in a folder's name may mean; ``valid`` and ``dev`` mean ``val``."""
    words = re.split(r"[^a-z]+", name.lower())
    return {_SPLIT_OF_WORD[word] for word in words if word in _SPLIT_OF_WORD}


def _refuse_image_folder_among_others(
    cache: FolderCache, folder: str, names: list[str], classes_layout: str
) -> None:
    """Refuses ``images`` beside ``masks``, and ``JPEGImages`` beside ``SegmentationClass``."""
    image_folders = [name for name in names if name.lower() in _NEVER_CLASSES]
    if image_folders:
        others = [name for name in names if name not in image_folders] or image_folders[1:]
        option = src_option(cache.location, join_path(folder, image_folders[0]))
        raise SourceError(
            f"--src {cache.location}: {quote_path(image_folders[0])} in {_display(folder)} may be "
            f"the folder of all images, but other folders hold images too ({quote_paths(others)}); "
            f"name one as SRC ({option}), or add --layout {classes_layout} to take each as a class"
        )


def _refuse_domains(cache: FolderCache, folder: str, names: list[str]) -> None:
    """Refuses folders that hold the same folders: either level may be the classes.

    Office-Home's domains and ImageNet-C's severities look like this. If there are more folders
    than folders that all of them hold, they are classes in parts.
    """
    inside = [cache.contents(join_path(folder, name)) for name in names]
    if not names or any(contents.images for contents in inside):
        return
    common = set.intersection(*(set(contents.folders) for contents in inside))
    if len(common) >= len(names):
        raise SourceError(
            f"--src {cache.location}: {quote_paths(names)} hold folders of the same names "
            f"({quote_paths(sorted(common))}), so that either may be the classes; name one as SRC "
            f"({src_option(cache.location, join_path(folder, names[0]))}), or add --layout classes "
            f"to take {quote_paths(names)} as classes"
        )


def _note_deep_images(cache: FolderCache, folder: str, names: list[str]) -> Iterator[str]:
    """Notes classes whose images all lie in folders below, which may be the intended classes."""
    inside = ((name, cache.contents(join_path(folder, name))) for name in names)
    deep = [
        join_path(name, contents.folders[0])
        for name, contents in inside
        if contents.folders
        and not contents.images
        and not _IMAGE_FOLDERS.issuperset(contents.folders)
    ]
    if deep:
        classes, example = pluralize(len(deep), "class"), quote_path(deep[0])
        yield f"images of {classes} in {_display(folder)} lie in folders below, such as {example}"


def _display(folder: str) -> str:
    return quote_path(folder) if folder else "SRC"


def _are_img2dataset_parts(contents: FolderContents) -> bool:
    """Whether img2dataset wrote the folders: each has a file of counts beside it."""
    return bool(contents.folders) and all(
        f"{name}_stats.json" in contents.files for name in contents.folders
    )
