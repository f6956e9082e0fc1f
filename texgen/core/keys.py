"""Keys of images and textures: ASCII, without dots, unique in a split, sorted by bytes."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left

from texgen.core.types import ArrowTable

_UNPLAIN = re.compile(rb"\A/|/(?=/)|[^A-Za-z0-9_/-]")
"""Bytes that are escaped. A ``/`` is one where it begins a key or follows another, as in the class
``/a/abbey``: the key would have an empty step."""

MAX_STEP = 246
"""Longest step of a key, in characters: with ``+999`` and ``.json`` it fills a file name."""

_HASH_BYTES = 12

MAX_TEXTURES = 1000
"""Most textures of an image: keys with a fourth digit would no longer sort."""


def escape(name: bytes) -> str:
    """Returns the key of a path without extension.

    Bytes other than ``A-Za-z0-9_-`` and the separator ``/`` become ``~xx``,
    ``~`` itself too, so that no two paths share a key. A ``/`` at the beginning or after
    another one is not a separator and becomes ``~2f``. A step of more than `MAX_STEP`
    characters keeps its beginning and ends in ``~-`` and a hash.
    """
    key = _UNPLAIN.sub(lambda match: b"~%02x" % match[0][0], name).decode("ascii")
    return key if len(key) <= MAX_STEP else "/".join(map(shorten_step, key.split("/")))


def class_folder_name(name: str) -> str:
    """Returns a class name as one step of a path: each ``/`` in it is escaped."""
    return shorten_step(escape(name.encode()).replace("/", "~2f"))


def shorten_step(step: str, most: int = MAX_STEP) -> str:
    """Returns a step of a key, shortened with a hash if it has more than ``most`` characters.

    ``~-`` occurs in no other key: two hex digits follow every other ``~``.
    """
    if len(step) <= most:
        return step
    digest = hashlib.blake2b(step.encode(), digest_size=_HASH_BYTES).hexdigest()
    beginning = step[: most - len("~-") - len(digest)]
    # An escaped byte is cut as a whole: the step ends in neither ``~`` nor ``~x``.
    return f"{re.sub('~[0-9a-f]?$', '', beginning)}~-{digest}"


def image_key(path: bytes) -> str:
    """Key of the file at ``path``, relative to its split, with ``/`` as separator."""
    return escape(strip_extension(path))


def strip_extension(path: bytes) -> bytes:
    """A path without its extension."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, _ = name.rpartition(b".")
    return folder + slash + (stem if dot else name)


def texture_key(key: str, index: int) -> str:
    """Key of texture ``index`` of the image ``key``.

    ``+`` sorts before every character of a key, so that the textures of an image are
    adjacent in byte order.
    """
    return key if index == 0 else f"{key}+{index:03d}"


def image_key_of(key: str) -> str:
    """Key of the image from which the texture ``key`` is synthesised."""
    return key.partition("+")[0]


def lower_bound(keys: ArrowTable, key: str) -> int:
    """First position in a sorted Arrow array of keys at which ``key`` is or would be inserted."""
    return bisect_left(range(len(keys)), key, key=lambda place: keys[place].as_py())


def find_key(keys: ArrowTable, key: str) -> int | None:
    """Position of ``key`` in a sorted Arrow array of keys; None if it is absent."""
    place = lower_bound(keys, key)
    return place if place < len(keys) and keys[place].as_py() == key else None
