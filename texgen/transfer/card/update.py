"""Decides whether a card that exists may be replaced: one that a person edited stays."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from texgen.core.layout import CARD

_SIGNATURE = re.compile(rb"\n<!-- texgen card ([0-9a-f]{64}) -->\n*\Z")


@dataclass(frozen=True, slots=True)
class CardUpdate:
    """What is to be done with the card at a place.

    Attributes:
        files: Bytes of the files to write by path; empty if nothing is to be written.
        kept: Whether the place has a ``README.md`` of somebody's own, which stays.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    kept: bool = False


def signed(text: str) -> bytes:
    """Returns a card's text with a last line that shows later whether it was edited."""
    data = text.rstrip("\n").encode() + b"\n"
    return data + f"\n<!-- texgen card {hashlib.sha256(data).hexdigest()} -->\n".encode()


def is_edited(data: bytes) -> bool:
    """Whether a ``README.md`` is not as a texgen, of any version, has written it."""
    match = _SIGNATURE.search(data)
    if match is None:
        return True
    return hashlib.sha256(data[: match.start()]).hexdigest().encode() != match[1]


def card_update(
    files: Mapping[str, bytes],
    text: bytes | None,
    sums: Mapping[str, str | None],
    *,
    replace: bool,
) -> CardUpdate:
    """Compares a card with what a place has.

    Args:
        files: Files of the card by path.
        text: Bytes of the place's ``README.md``; None if it has none.
        sums: SHA-256 of the card's textures that the place has, by path, hex.
        replace: Whether an edited ``README.md`` is replaced, too.
    """
    if text is not None and text != files[CARD] and is_edited(text) and not replace:
        return CardUpdate(kept=True)
    present = {**sums, CARD: None if text is None else hashlib.sha256(text).hexdigest()}
    changed = {
        path: data
        for path, data in files.items()
        if present.get(path) != hashlib.sha256(data).hexdigest()
    }
    return CardUpdate(changed)
