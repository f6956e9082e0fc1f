"""The headers of a tar, one by one, with where its members' data lie.

Python's `tarfile` keeps every member in memory, reads a header of any length that a
damaged file asks for, takes a cut between two members for the end, and knows nothing
of a tar inside another. Member names are only names here: nothing is unpacked.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from texgen.core.errors import SourceError
from texgen.source.base import displayable
from texgen.source.packed import packed
from texgen.storage.ranges import RangeFile

BLOCK = 512
_ZEROS = bytes(BLOCK)
_MAX_EXTENSION = 1 << 20
"""Bytes of a PAX header or a GNU long name; a path has some thousands at most."""

_ZEROS_AT_ONCE = 128 * BLOCK
"""Bytes of the end of a tar that are looked at in one piece."""

_REGULAR = b"0\0007"
_WITHOUT_DATA = b"123456"
_KINDS = {
    ord("1"): "hard link",
    ord("2"): "symbolic link",
    ord("3"): "device",
    ord("4"): "device",
    ord("5"): "folder",
    ord("6"): "pipe",
    # These are GNU's: a folder with its names, a file that another tar begins, the tar's name.
    ord("D"): "folder",
    ord("M"): "continued file",
    ord("V"): "label",
}
_GNU_NAME, _GNU_LINK, _PAX, _PAX_OLD, _PAX_GLOBAL, _GNU_SPARSE = b"LKxXgS"
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,8}) ([^=\n]+)=")


class TarEntry(NamedTuple):
    """A member of a tar.

    Attributes:
        name: As it is in the tar.
        offset: Where its data begin in the file; its last header is the block before.
        size: Bytes of its data.
        check: CRC-32 of that header.
        kind: ``file``, ``folder``, ``hard link``, ``label``, or in words what else it is.
        link: Name of the member that a link is to.
    """

    name: bytes
    offset: int
    size: int
    check: int
    kind: str
    link: bytes = b""


class TarScan:
    """Reads the headers of a tar, which may lie inside another file.

    What follows the end of a tar is read as a further one, as ``cat a.tar b.tar`` makes it.

    Args:
        file: Holds the tar.
        where: Its name, for people.
        start: Byte of ``file`` at which the tar begins.
        end: Byte at which it ends; None is the end of the file.
    """

    def __init__(self, file: RangeFile, where: str, start: int = 0, end: int | None = None) -> None:
        self._file = file
        self._where = where
        self._start = self._position = start
        self._end = file.size() if end is None else end
        self._buffer = b""
        self._buffer_at = 0
        # Where the last tar ended, while nothing is known of what follows.
        self._ended: int | None = None

    def members(self) -> Iterator[TarEntry]:
        """The members in the order of the tar.

        Raises:
            SourceError: If the tar is cut off or damaged; names the byte.
        """
        lasting: dict[bytes, bytes] = {}
        for_next: dict[bytes, bytes] = {}
        while True:
            header = self._block()
            if header == _ZEROS:
                if not self._goes_on():
                    return
                lasting, for_next = {}, {}
                continue
            self._check(header)
            self._ended = None
            kind, size = header[156], self._number(header[124:136], "size")
            if kind in (_GNU_NAME, _GNU_LINK, _PAX, _PAX_OLD, _PAX_GLOBAL):
                body = self._extension(size)
                if kind in (_GNU_NAME, _GNU_LINK):
                    field = b"path" if kind == _GNU_NAME else b"linkpath"
                    for_next[field] = body.partition(b"\0")[0]
                else:
                    (lasting if kind == _PAX_GLOBAL else for_next).update(self._records(body))
                continue
            yield self._member(header, kind, size, {**lasting, **for_next})
            for_next = {}

    def payload(self, member: TarEntry) -> bytes:
        """The data of a small member, best right after `members` has named it."""
        return self._bytes(member.offset, member.size)

    def _member(self, header: bytes, kind: int, size: int, pax: dict[bytes, bytes]) -> TarEntry:
        at = self._position - BLOCK
        name = pax.get(b"path") or _name(header)
        if b"size" in pax:
            if not pax[b"size"].isdigit() or len(pax[b"size"]) > 19:
                raise self._damaged(at, "its PAX header holds no size")
            size = int(pax[b"size"])
        sparse = kind == _GNU_SPARSE or any(name.startswith(b"GNU.sparse.") for name in pax)
        if kind == _GNU_SPARSE:
            self._skip_sparse_map(header)
        offset = self._position
        if kind not in _WITHOUT_DATA:
            if offset + size > self._end:
                raise self._cut(
                    at, f"{displayable(name[:80])} has {size} bytes, {self._end - offset} are left"
                )
            self._position += -(-size // BLOCK) * BLOCK
        what = _KINDS.get(kind, "unknown member")
        if sparse:
            what = "sparse file"
        elif kind in _REGULAR and name:
            what = "folder" if name.endswith(b"/") else "file"
        link = pax.get(b"linkpath") or header[157:257]
        check = zlib.crc32(header)
        return TarEntry(
            name.partition(b"\0")[0], offset, size, check, what, link.partition(b"\0")[0]
        )

    def _goes_on(self) -> bool:
        """Goes to what follows the end of a tar; False where that is nothing but zeros."""
        self._ended = self._position
        while zeros := self._bytes(self._position, _ZEROS_AT_ONCE):
            blank = len(zeros) - len(zeros.lstrip(b"\0"))
            self._position += blank if blank == len(zeros) else blank // BLOCK * BLOCK
            if blank < len(zeros):
                return True
        return False

    def _skip_sparse_map(self, header: bytes) -> None:
        more = header[482]
        while more:
            more = self._block()[504]

    def _extension(self, size: int) -> bytes:
        at = self._position - BLOCK
        if size > _MAX_EXTENSION:
            raise self._damaged(at, f"a header of {size} bytes")
        body = self._bytes(self._position, size)
        if len(body) < size:
            raise self._cut(at, f"a header of {size} bytes, {len(body)} are left")
        self._position += -(-size // BLOCK) * BLOCK
        return body

    def _records(self, body: bytes) -> Iterator[tuple[bytes, bytes]]:
        r"""``length keyword=value\n``, and so on; zeros may follow."""
        at = 0
        while at < len(body) and body[at]:
            match = _PAX_RECORD.match(body, at)
            end = at + int(match[1]) if match else 0
            if not match or end <= match.end() or body[end - 1 : end] != b"\n":
                raise self._damaged(self._position, "a PAX header that is none")
            yield match[2], body[match.end() : end - 1]
            at = end

    def _block(self) -> bytes:
        block = self._bytes(self._position, BLOCK)
        if len(block) < BLOCK:
            raise self._cut(self._position, "the empty block that ends a tar is not there")
        self._position += BLOCK
        return block

    def _bytes(self, offset: int, length: int) -> bytes:
        """What is there of it within the tar; reads ahead, since headers may be close."""
        length = min(length, self._end - offset)
        if length <= 0:
            return b""
        first = offset - self._buffer_at
        if first < 0 or first + length > len(self._buffer):
            wanted = min(max(length, self._file.ahead), self._end - offset)
            self._buffer, self._buffer_at = self._file.read_at(offset, wanted), offset
            first = 0
        return self._buffer[first : first + length]

    def _number(self, field: bytes, what: str) -> int:
        if field[0] & 0x80:
            # GNU's base-256: a set bit, then a big-endian number; below zero means nothing here.
            number = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
            if field[0] == 0x80 and number < 1 << 63:
                return number
        else:
            digits = field.partition(b"\0")[0].strip(b" ")
            if re.fullmatch(rb"[0-7]*", digits):
                return int(digits or b"0", 8)
        raise self._damaged(self._position - BLOCK, f"no {what} of a tar's member")

    def _check(self, header: bytes) -> None:
        written = self._number(header[148:156], "checksum")
        with_blanks = header[:148] + b" " * 8 + header[156:]
        # Some old programs added up signed bytes.
        if written != sum(with_blanks) and written != sum(struct.unpack("512b", with_blanks)):
            raise self._damaged(self._position - BLOCK, "no header of a tar's member")

    def _cut(self, at: int, why: str) -> SourceError:
        if self._ended is not None:
            return self._not_of_it(at)
        return self._fault(at, f"cut off at byte {at} ({why}); fetch the file again")

    def _damaged(self, at: int, why: str) -> SourceError:
        if self._ended is not None:
            return self._not_of_it(at)
        return self._fault(at, f"damaged at byte {at} ({why}); fetch the file again")

    def _not_of_it(self, at: int) -> SourceError:
        end = min(at, (self._ended or 0) + BLOCK) - self._start
        return SourceError(
            f"{self._where} ends at byte {end} and goes on at byte {at} with what is not a tar; "
            f"fetch the file again, or, if that is to be left out, cut it off: truncate -s {end}"
        )

    def _fault(self, at: int, what: str) -> SourceError:
        if at == self._start:
            # A file that was never a tar as it is.
            what = packed(self._bytes(at, BLOCK)) or what
        return SourceError(f"{self._where} is {what}")


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    # GNU's own format has other things in the place of the prefix.
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
