"""Archives, and locators: the bytes of `ImageEntry.locator`, which tell where an image lies."""

from __future__ import annotations

import os
import re
import struct
from typing import NamedTuple

from texgen.source.paths import displayable

_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
_FIXED = struct.Struct("<QQI")


class Archive(NamedTuple):
    """A tar or a Parquet file of a source.

    Attributes:
        path: Path relative to SRC.
        size: Bytes of the archive when it was listed.
    """

    path: str
    size: int

    @property
    def text(self) -> str:
        """The path as UTF-8, for messages and Parquet."""
        return displayable(os.fsencode(self.path))


class Locator(NamedTuple):
    """All that a process on any machine needs to read an image in an archive.

    Attributes:
        archive: Archive that holds the image.
        position: Offset in a tar, bytes; row in a Parquet file.
        check: CRC-32 of the member's header, or of the Parquet file's footer.
    """

    archive: Archive
    position: int
    check: int

    def encode(self) -> bytes:
        """The locator as bytes."""
        fixed = _FIXED.pack(self.position, self.archive.size, self.check)
        return fixed + os.fsencode(self.archive.path)

    @classmethod
    def decode(cls, data: bytes) -> Locator:
        """The locator of the bytes that `encode` returned."""
        position, size, check = _FIXED.unpack_from(data)
        return cls(Archive(os.fsdecode(data[_FIXED.size :]), size), position, check)


def locator_of(source: str) -> bytes:
    r"""Locator of an image in a folder: the path of its ``source``, with ``\xNN`` as bytes.

    `texgen.source.paths.displayable` made the ``source`` of the path.
    """
    return _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), source.encode())
