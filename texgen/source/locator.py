"""Locators: the bytes of `ImageEntry.locator`, which tell where an image lies in an archive."""

from __future__ import annotations

import os
import re
import struct
from typing import NamedTuple

from texgen.source.paths import displayable

_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
_FIXED = struct.Struct("<QQI")


class Locator(NamedTuple):
    """All that a process on any machine needs to read an image in an archive.

    Attributes:
        position: Offset in a tar, bytes; row in a Parquet file.
        archive_bytes: Size of the archive when it was listed, bytes.
        check: CRC-32 of the member's header, or of the Parquet file's footer.
        path: Path of the archive, relative to SRC.
    """

    position: int
    archive_bytes: int
    check: int
    path: str

    @property
    def archive(self) -> str:
        """The archive's path for messages."""
        return displayable(os.fsencode(self.path))

    def encode(self) -> bytes:
        """The locator as bytes."""
        fixed = _FIXED.pack(self.position, self.archive_bytes, self.check)
        return fixed + os.fsencode(self.path)

    @classmethod
    def decode(cls, data: bytes) -> Locator:
        """The locator of the bytes that `encode` returned."""
        position, archive_bytes, check = _FIXED.unpack_from(data)
        return cls(position, archive_bytes, check, os.fsdecode(data[_FIXED.size :]))


def locator_of(source: str) -> bytes:
    r"""Locator of an image in a folder: the path of its ``source``, with ``\xNN`` as bytes.

    `texgen.source.paths.displayable` made the ``source`` of the path.
    """
    return _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), source.encode())
