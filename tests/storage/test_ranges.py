from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.storage.ranges import BlockCache, RangeStream


class Bytes:
    """A `RangeFile` that records its requests."""

    ahead = 1
    name = "bytes"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def size(self) -> int:
        return len(self.data)

    def stamp(self) -> str:
        return ""

    def read_at(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return self.data[offset : offset + length]


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70))))
def test_any_piece_is_the_same_in_blocks_and_as_a_stream(data, pieces):
    file, blocks = Bytes(data), BlockCache(7, 2)
    stream, plain = RangeStream(Bytes(data), BlockCache(7, 2)), io.BytesIO(data)
    for offset, length in pieces:
        assert blocks.read(file, offset, length) == data[offset : offset + length]
        assert len(blocks._blocks) <= 2
        assert (stream.seek(offset), plain.seek(offset)) == (offset, offset)
        one, other = bytearray(length), bytearray(length)
        assert stream.readinto(one) == plain.readinto(other)
        assert one == other
        assert stream.read(length) == plain.read(length)
        assert stream.tell() == plain.tell()
    assert io.BufferedReader(stream).read() == plain.read()


def test_a_small_file_is_asked_for_once_and_a_block_once_while_it_is_kept():
    file = Bytes(bytes(25))
    stream = RangeStream(file, BlockCache(10, 2))
    for offset in (0, 3, 9, 12, 20, 5):
        stream.seek(offset)
        stream.read(1)
    assert file.asked == [(0, 10), (10, 10), (20, 10), (0, 10)]


def test_blocks_that_are_missing_are_asked_for_at_once():
    file, blocks = Bytes(bytes(range(100))), BlockCache(10, 3)
    blocks.read(file, 25, 10)
    assert blocks.read(file, 5, 60) == bytes(range(5, 65))
    assert file.asked == [(20, 20), (0, 70)]
    # Two files of one name may have two contents.
    assert blocks.read(Bytes(bytes(100)), 40, 5) == bytes(5)


def test_a_file_that_has_become_shorter_ends_where_it_ends():
    file = Bytes(bytes(25))
    blocks = BlockCache(10, 2)
    blocks.read(file, 0, 1)
    file.read_at = lambda offset, length: b""  # type: ignore[method-assign]
    assert blocks.read(file, 5, 20) == bytes(5)


def test_a_stream_goes_nowhere_before_its_begin():
    stream = RangeStream(Bytes(b"abc"))
    assert stream.seek(-1, io.SEEK_END) == 2
    with pytest.raises(ValueError, match="negative position -1"):
        stream.seek(-3, io.SEEK_CUR)
    assert stream.read() == b"c"
