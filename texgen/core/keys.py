"""Keys of photographs and textures: ASCII, dot-free, unique, sorted by bytes."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left

from texgen.core.types import ArrowTable

_UNPLAIN = re.compile(rb"\A/|/(?=/)|[^A-Za-z0-9_/-]")
"""``/`` too where it would begin a key or leave a step empty, as in a class called ``/a/abbey``."""

MAX_STEP = 246
"""Characters of a key between two ``/``: with ``+999`` and ``.json`` they fill a file's name."""

_HASH_BYTES = 12

MAX_TEXTURES = 1000
"""Textures an image: with four digits their keys would no longer sort."""


def escape(name: bytes) -> str:
    """Makes a key of a path without extension.

    Bytes other than ``A-Za-z0-9_-`` and the separator ``/`` become ``~xx``,
    ``~`` itself too, so that the mapping is injective. A ``/`` at the beginning, or before
    another one, is no separator and becomes ``~2f``. A step of more than `MAX_STEP`
    characters keeps its beginning and ends in ``~-`` and a hash.
    """
    key = _UNPLAIN.sub(lambda match: b"~%02x" % match[0][0], name).decode("ascii")
    return key if len(key) <= MAX_STEP else "/".join(map(shorten_step, key.split("/")))


def class_folder_name(name: str) -> str:
    """A class name as one step of a path: its ``/`` are escaped too."""
    return shorten_step(escape(name.encode()).replace("/", "~2f"))


def shorten_step(step: str, most: int = MAX_STEP) -> str:
    """A step of a key, shortened where it has more than ``most`` characters.

    ``~-`` is in no other key, since two hex digits follow every other ``~``.
    """
    if len(step) <= most:
        return step
    digest = hashlib.blake2b(step.encode(), digest_size=_HASH_BYTES).hexdigest()
    beginning = step[: most - len("~-") - len(digest)]
    # Bytes are cut off whole: no ``~`` or ``~x`` is left at the end.
    return f"{re.sub('~[0-9a-f]?$', '', beginning)}~-{digest}"


def image_key(path: bytes) -> str:
    """Key of the file at ``path``, relative to its split, with ``/`` as separator."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, _ = name.rpartition(b".")
    return escape(folder + slash + (stem if dot else name))


def texture_key(key: str, index: int) -> str:
    """Key of texture ``index`` of the photograph ``key``.

    ``+`` sorts before every character of a key, so that a photograph's
    textures are adjacent in byte order.
    """
    return key if index == 0 else f"{key}+{index:03d}"


def image_key_of(key: str) -> str:
    """Key of the photograph that a texture with ``key`` is of."""
    return key.partition("+")[0]


def lower_bound(keys: ArrowTable, key: str) -> int:
    """Where ``key`` is, or would be, in an Arrow array of keys in order."""
    return bisect_left(range(len(keys)), key, key=lambda place: keys[place].as_py())


def find_key(keys: ArrowTable, key: str) -> int | None:
    """Where ``key`` is in an Arrow array of keys in order; None where it is not."""
    place = lower_bound(keys, key)
    return place if place < len(keys) and keys[place].as_py() == key else None
