"""Keys of photographs and textures: ASCII, dot-free, unique, sorted by bytes."""

from __future__ import annotations

import re
from bisect import bisect_left

from texgen.types import ArrowTable

_UNPLAIN = re.compile(rb"[^A-Za-z0-9_/-]")

MAX_TEXTURES = 1000
"""Textures an image: with four digits their keys would no longer sort."""


def escape(name: bytes) -> str:
    """Makes a key of a path without extension.

    Bytes other than ``A-Za-z0-9_-`` and the separator ``/`` become ``~xx``,
    ``~`` itself too, so that the mapping is injective.
    """
    return _UNPLAIN.sub(lambda match: b"~%02x" % match[0][0], name).decode("ascii")


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


def photograph_key(key: str) -> str:
    """Key of the photograph that a texture with ``key`` is of."""
    return key.partition("+")[0]


def lower_bound(keys: ArrowTable, key: str) -> int:
    """Where ``key`` is, or would be, in an Arrow array of keys in order."""
    return bisect_left(range(len(keys)), key, key=lambda place: keys[place].as_py())


def find_key(keys: ArrowTable, key: str) -> int | None:
    """Where ``key`` is in an Arrow array of keys in order; None where it is not."""
    place = lower_bound(keys, key)
    return place if place < len(keys) and keys[place].as_py() == key else None
