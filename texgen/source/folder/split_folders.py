"""Finds the split folders of a folder source.

docs/sources.md has the rule: a SRC that can be read in two ways is refused, and the error names
the option that decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.source.base import ARCHIVE_FORMATS, SPLIT_NAMES, as_split_name
from texgen.source.folder.class_detection import FEW, resembled_splits
from texgen.source.folder.contents import FolderCache, FolderContents, refuse_dangling_links
from texgen.source.packed import PACKED_TARS
from texgen.source.paths import join_path, quote_path, quote_paths, src_option

SEARCH_DEPTH = 4
"""Levels between SRC and the folder of its splits, at most."""


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """Split folders of a source.

    Attributes:
        folder: Folder of the split folders, or of the only split, relative to SRC.
        splits: Split to its folder, relative to SRC; empty if ``folder`` is the only split.
        notes: What lies below SRC or is ignored, a sentence each.
    """

    folder: str
    splits: dict[str, str]
    notes: tuple[str, ...] = ()


def find_layout(cache: FolderCache, layout: str) -> FolderLayout:
    """Finds the split folders of a folder source by one of `texgen.source.base.LAYOUTS`.

    Raises:
        OSError: If SRC cannot be listed.
        SourceError: If SRC can be read in several ways; the message names the option that decides.
    """
    folder, notes = find_hub_snapshot(cache)
    contents = cache.contents(folder, complete=True)
    notes += _note_archives(contents)
    if layout == "classes":
        return FolderLayout(folder, {}, tuple(notes))
    if not contents.split_folders():
        deeper = _find_folder_of_splits(cache, folder)
        if deeper is not None:
            notes.append(f"the splits are those in {quote_path(deeper)}, a folder below SRC")
            folder, contents = deeper, cache.contents(deeper, complete=True)
        elif layout == "splits":
            raise SourceError(
                f"--src {cache.location}: --layout splits, but no folder is called "
                f"{', '.join(SPLIT_NAMES)}; leave --layout out, or name another SRC"
            )
    dangling = [name for name in contents.dangling_links if as_split_name(name)]
    refuse_dangling_links(cache.location, folder, dangling, "a split")
    splits = dict(_split_paths(contents, folder, cache.location))
    notes += [
        f"folder {quote_path(name)} is taken as the split {split!r}"
        for split, path in splits.items()
        if (name := path.rpartition("/")[2]) != split
    ]
    if splits:
        others = [
            name for name in contents.folders if join_path(folder, name) not in splits.values()
        ]
        if layout != "splits":
            _refuse_other_images(cache, folder, list(splits.values()), others)
        notes += [f"folder {quote_path(name)} is not a split and is ignored" for name in others]
        if contents.images:
            notes.append(f"{pluralize(contents.images, 'image')} beside the splits ignored")
        # Without split folders, those of systems are counted with the images.
        notes += note_system_folders(contents)
    return FolderLayout(folder, splits, tuple(notes))


def _note_archives(contents: FolderContents) -> Iterator[str]:
    """Notes archives in SRC, which are ignored beside images in folders."""
    for suffix, archive_format in ARCHIVE_FORMATS.items():
        if names := sorted(name for name in contents.files if name.endswith(suffix)):
            is_ilsvrc = suffix == ".tar" and any(name.startswith("ILSVRC2012_") for name in names)
            count = pluralize(len(names), f"{suffix} file")
            yield (
                f"{count} beside the folders of images ignored ({quote_paths(names)}); "
                f"--src-format {'ilsvrc' if is_ilsvrc else archive_format} takes them instead"
            )
    if names := sorted(name for name in contents.files if name.endswith(PACKED_TARS)):
        count = pluralize(len(names), "compressed tar")
        yield f"{count} beside the folders of images ignored ({quote_paths(names)})"


def note_system_folders(contents: FolderContents) -> Iterator[str]:
    """Notes that folders of operating systems are ignored, if there are any."""
    if contents.system_folders:
        count = pluralize(len(contents.system_folders), "folder")
        yield f"{count} of systems ({quote_paths(contents.system_folders)}) ignored"


def _split_paths(contents: FolderContents, folder: str, location: str) -> Iterator[tuple[str, str]]:
    for split, names in sorted(contents.split_folders().items()):
        if len(names) > 1:
            raise SourceError(
                f"--src {location}: the folders {quote_paths(names)} are both named like the split "
                f"{split!r}; rename one"
            )
        yield split, join_path(folder, names[0])


def _refuse_other_images(
    cache: FolderCache, folder: str, splits: list[str], others: list[str]
) -> None:
    """Refuses folders of images beside split folders: all of them may be classes."""
    with_images = [name for name in others if cache.holds_images(join_path(folder, name))]
    if not with_images:
        return
    names = [path.rpartition("/")[2] for path in splits]
    maybe = "may be a split or a class" if len(names) == 1 else "may be splits or classes"
    like_val = next((name for name in with_images if resembled_splits(name) == {"val"}), None)
    # Roboflow exports "valid".
    hint = f", and renaming {quote_path(like_val)} to 'val' makes it a split" if like_val else ""
    raise SourceError(
        f"--src {cache.location}: {quote_paths(names, 4)} {maybe}, since other folders hold images "
        f"too ({quote_paths(with_images)}); --layout splits ignores those, --layout classes takes "
        f"every folder as a class{hint}"
    )


def find_hub_snapshot(cache: FolderCache) -> tuple[str, list[str]]:
    """Folder of the revision to read if SRC is in the Hugging Face Hub's cache, and a note.

    The cache keeps files in ``blobs`` and links to them in ``snapshots/REVISION``. For any other
    SRC the folder is "" and there is no note.

    Raises:
        SourceError: If the cache holds several revisions and none of them is ``main``.
    """
    if not {"blobs", "snapshots"} <= set(cache.contents("").folders):
        return "", []
    revisions = cache.contents("snapshots").folders
    main = cache.read_line("refs/main")
    if main not in revisions and len(revisions) != 1:
        names = quote_paths(revisions) if revisions else "none"
        raise SourceError(
            f"--src {cache.location}: a cache of the Hugging Face Hub with {len(revisions)} "
            f"revisions ({names}); name one: --src {cache.location}/snapshots/REVISION"
        )
    revision = main if main in revisions else revisions[0]
    return f"snapshots/{revision}", [f"the images are those of the revision {revision}"]


def _find_folder_of_splits(cache: FolderCache, top: str) -> str | None:
    """The one folder below ``top`` that holds split folders; None if there is none.

    Raises:
        SourceError: If there are several, or images lie elsewhere too.
    """
    if _are_class_folders(cache, top):
        return None
    with_splits, with_images, settled = list[str](), list[str](), set[str]()
    for path, contents in cache.walk(top, SEARCH_DEPTH, lambda path, _: path not in settled):
        if path == top:
            continue
        names = (name for names in contents.split_folders().values() for name in names)
        if any(cache.holds_images(join_path(path, name)) for name in names):
            with_splits.append(path)
        elif contents.images:
            with_images.append(path)
        else:
            continue
        settled.add(path)
    if not with_splits:
        return None
    if len(with_splits) > 1 or with_images:
        beside = f", and images in {quote_paths(with_images)}" if with_images else ""
        raise SourceError(
            f"--src {cache.location}: splits further down, in {quote_paths(with_splits)}{beside}; "
            f"name one folder ({src_option(cache.location, with_splits[0])}), or add --layout "
            "classes to take the folders of SRC as classes"
        )
    return with_splits[0]


def _are_class_folders(cache: FolderCache, folder: str) -> bool:
    """Whether images lie directly in the folders of a folder with many, judged by a sample."""
    names = cache.contents(folder).folders
    if len(names) <= FEW:
        return False
    sample = [*names[: FEW // 2], *names[-FEW // 2 :]]
    paths = (join_path(folder, name) for name in sample)
    return all(contents.images for _, contents in cache.contents_of(paths))
