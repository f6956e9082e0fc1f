"""Where an image lies, as the bytes of `ImageEntry.locator`."""

from __future__ import annotations

import os
import re
import struct
from typing import NamedTuple

from texgen.source.paths import displayable

_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
_FIXED = struct.Struct("<QQI")


class Locator(NamedTuple):
    """All that reading a photograph needs, on any machine.

    Attributes:
        position: Offset in a tar, row in a Parquet file.
        archive_bytes: Size of the archive when it was listed.
        check: CRC-32 of the member's header, or of the Parquet file's footer.
        path: Of the archive, relative to SRC.
    """

    position: int
    archive_bytes: int
    check: int
    path: str

    @property
    def archive(self) -> str:
        """Its path for people."""
        return displayable(os.fsencode(self.path))

    def encode(self) -> bytes:
        """As bytes."""
        fixed = _FIXED.pack(self.position, self.archive_bytes, self.check)
        return fixed + os.fsencode(self.path)

    @classmethod
    def decode(cls, data: bytes) -> Locator:
        """What `encode` gave."""
        position, archive_bytes, check = _FIXED.unpack_from(data)
        return cls(position, archive_bytes, check, os.fsdecode(data[_FIXED.size :]))


def locator_of(source: str) -> bytes:
    r"""The path that a manifest's ``source`` stands for: ``\xNN`` is a byte again."""
    return _BYTE.sub(lambda match: bytes.fromhex(match[1].decode()), source.encode())
