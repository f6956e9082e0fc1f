"""Tests of reading tar headers, of real tars and of damaged ones."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.archives import write_tar
from texgen.core.errors import SourceError
from texgen.source.tar.scan import TAR_BLOCK, TarEntry, TarScan
from texgen.storage.local import LocalStore

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def scan(path: Path) -> list[TarEntry]:
    return list(TarScan(LocalStore().open(str(path)), path.name).members())


def files(path: Path) -> list[tuple[bytes, int, int]]:
    return [(m.name, m.offset, m.size) for m in scan(path) if m.kind == "file"]


def expected(path: Path) -> list[tuple[bytes, int, int]]:
    with tarfile.open(path) as tar:
        return [(os.fsencode(m.name), m.offset_data, m.size) for m in tar if m.isreg()]


def header(name: bytes = b"a.jpg", **changes: bytes) -> bytes:
    """A ustar header with some fields replaced and a valid checksum."""
    info = tarfile.TarInfo(name.decode())
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    places = {"size": (124, 12), "kind": (156, 1), "magic": (257, 6), "extended": (482, 1)}
    for field, value in changes.items():
        at, length = places[field]
        block[at : at + length] = value.ljust(length, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(2 * TAR_BLOCK)


@pytest.mark.parametrize("form", FORMATS)
def test_members_lie_where_tarfile_finds_them(form, tmp_path):
    members = [("ant/1.jpg", b"x" * 700), ("e.jpg", b""), ("b" * 90 + "/" + "c" * 60, b"y" * 512)]
    path = write_tar(tmp_path / "x.tar", members, format=form)
    assert files(path) == expected(path)
    assert len(files(path)) == 3


NAMES = st.lists(
    st.binary(min_size=1, max_size=300).filter(lambda n: not set(n) & set(b"\0/")), max_size=6
)


@settings(max_examples=60)
@given(NAMES, st.sampled_from(FORMATS[1:]))
def test_any_names_are_read_as_tarfile_reads_them(names: list[bytes], form: int):
    with tempfile.TemporaryDirectory() as folder:
        members = [(b"d/" + name, name * 3) for name in names]
        path = write_tar(Path(folder) / "x.tar", members, format=form)
        assert files(path) == expected(path)


def test_links_devices_and_folders_are_told_apart_from_files(tmp_path):
    path = tmp_path / "x.tar"
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    with tarfile.open(path, "w") as tar:
        for number, kind in enumerate([*kinds, tarfile.DIRTYPE]):
            info = tarfile.TarInfo(f"{number}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    kinds = ["symbolic link", "hard link", "device", "device", "pipe", "folder"]
    assert [m.kind for m in scan(path)] == kinds


def test_sparse_files_are_passed_over(tmp_path):
    map_block = bytes(504) + b"\1" + bytes(7)
    old = header(kind=b"S", size=b"%011o" % 5, extended=b"\1")
    pax = b"22 GNU.sparse.major=1\n"
    body = [old, map_block, bytes(TAR_BLOCK), b"12345".ljust(TAR_BLOCK, b"\0")]
    body += [header(kind=b"x", size=b"%011o" % len(pax)), pax.ljust(TAR_BLOCK, b"\0")]
    body += [header(size=b"%011o" % 5), b"12345".ljust(TAR_BLOCK, b"\0"), header(b"b.jpg"), END]
    path = tmp_path / "x.tar"
    path.write_bytes(b"".join(body))
    assert [(m.name, m.kind) for m in scan(path)] == [
        (b"a.jpg", "sparse file"),
        (b"a.jpg", "sparse file"),
        (b"b.jpg", "file"),
    ]


def test_large_numbers_and_signed_checksums_are_read(tmp_path):
    base_256 = (0x80 << 88 | 3).to_bytes(12, "big")
    old = bytearray(header("é.jpg".encode()))
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(b - 256 if b > 127 else b for b in old)
    path = tmp_path / "x.tar"
    path.write_bytes(header(size=base_256) + b"abc".ljust(TAR_BLOCK, b"\0") + bytes(old) + END)
    assert files(path) == [(b"a.jpg", TAR_BLOCK, 3), ("é.jpg".encode(), 3 * TAR_BLOCK, 0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off at byte 0 "),
        (header(), "cut off at byte 512 .*the empty block"),
        (header() + bytes(100), "cut off at byte 512"),
        (header(size=b"%011o" % 9) + b"abc", "cut off at byte 0 .*a.jpg has 9 bytes, 3 are left"),
        (header(size=b"7" * 11) + END, "cut off at byte 0 .*8589934591 bytes"),
        (header(size=b"\x80" + b"\xff" * 11) + END, "damaged at byte 0 "),
        (header(size=b"\xff" * 12) + END, "damaged at byte 0 .*no size"),
        (header(size=b"9") + END, "damaged at byte 0 .*no size"),
        (header(size=b"1_0") + END, "damaged at byte 0 .*no size"),
        (header() + b"x" * TAR_BLOCK + END, "damaged at byte 512 .*no (header|checksum)"),
        (header(kind=b"x", size=b"7" * 11) + END, "damaged at byte 0 .*header of 8589934591"),
        (header(kind=b"L", size=b"%011o" % 2000) + END, "cut off at byte 0 .*header of 2000"),
        (header(kind=b"x", size=b"%011o" % 3) + b"3 a".ljust(TAR_BLOCK, b"\0") + END,
         "damaged.*PAX"),
        (header(kind=b"x", size=b"%011o" % 9) + b"0 path=\n\n".ljust(TAR_BLOCK, b"\0"),
         "damaged.*PAX"),
        (header(kind=b"x", size=b"%011o" % 9) + b"9 size=-\n".ljust(TAR_BLOCK, b"\0") + header(),
         "damaged at byte 1024 .*no size"),
        (header(kind=b"S", extended=b"\1") + b"\1" * TAR_BLOCK, "cut off at byte 1024"),
    ],
)  # fmt: skip
def test_a_damaged_tar_is_one_line_with_file_byte_and_hint(content, message, tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"^x.tar is {message}") as caught:
        scan(path)
    assert str(caught.value).endswith("fetch the file again")
    assert "\n" not in str(caught.value)


def test_a_tar_that_was_cut_anywhere_is_noticed(tmp_path):
    whole = write_tar(tmp_path / "w.tar", [(f"{n}.jpg", b"x" * 600) for n in range(3)]).read_bytes()
    content = 3 * 3 * TAR_BLOCK
    for length in [*range(0, content + 1, 128), content + 511]:
        path = tmp_path / "x.tar"
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError, match="cut off"):
            scan(path)


@settings(max_examples=200)
@given(st.data())
def test_any_bytes_are_read_to_an_end_or_a_source_error(data: st.DataObject):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a" * 150, "b"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    content = bytearray(held.getvalue()[:4096])
    repair = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for at in range(0, len(content), TAR_BLOCK) if repair else ():
        block = content[at : at + TAR_BLOCK]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            content[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            members = scan(Path(file.name))
        except SourceError:
            return
        assert all(0 <= m.offset <= len(content) and m.size <= len(content) for m in members)


def test_a_tar_inside_a_file_ends_where_it_ends(tmp_path):
    inner = header(b"i.jpg") + END
    path = tmp_path / "x.tar"
    path.write_bytes(b"?" * 100 + inner + header(b"outside.jpg"))
    inside = TarScan(LocalStore().open(str(path)), "x", 100, 100 + len(inner)).members()
    assert [m.name for m in inside] == [b"i.jpg"]
    cut = TarScan(LocalStore().open(str(path)), "x", 100, 100 + TAR_BLOCK).members()
    with pytest.raises(SourceError, match="cut off at byte 612"):
        list(cut)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path)])
def test_a_folder_or_pipe_is_not_opened_as_a_tar(make: Callable[[Path], None], tmp_path):
    make(tmp_path / "x.tar")
    with pytest.raises(FileNotFoundError):
        LocalStore().open(str(tmp_path / "x.tar"))


def joined(folder: Path, *parts: bytes) -> Path:
    path = folder / "x.tar"
    path.write_bytes(b"".join(parts))
    return path


def test_tars_that_cat_joined_are_read_to_the_last_end(tmp_path):
    one = write_tar(tmp_path / "1.tar", [("a.jpg", b"a" * 600)]).read_bytes()
    two = write_tar(tmp_path / "2.tar", [("b.jpg", b"b")], format=tarfile.PAX_FORMAT).read_bytes()
    for between in (b"", bytes(TAR_BLOCK), bytes(1 << 20)):
        path = joined(tmp_path, one, between, two, bytes(700))
        assert [name for name, _, _ in files(path)] == [b"a.jpg", b"b.jpg"]
    # A single empty block ends a tar as well as two.
    path = joined(tmp_path, one[: 3 * TAR_BLOCK], bytes(TAR_BLOCK), two)
    assert [name for name, _, _ in files(path)] == [b"a.jpg", b"b.jpg"]
    with pytest.raises(SourceError, match="cut off"):
        scan(joined(tmp_path, one, two[: 2 * TAR_BLOCK]))


@pytest.mark.parametrize("behind", [b"signature", b"x" * 5000, header()[7:]])
def test_data_behind_the_end_that_are_not_a_tar_are_named_with_both_bytes(behind, tmp_path):
    path = joined(tmp_path, header(), END, behind)
    message = r"^x\.tar ends at byte 1536, and the data from byte 1536 on are not a tar; "
    with pytest.raises(SourceError, match=message) as caught:
        scan(path)
    assert str(caught.value).endswith("truncate -s 1536")
    path.write_bytes(path.read_bytes()[:1536])
    assert len(scan(path)) == 1


@pytest.mark.skipif(not shutil.which("tar"), reason="GNU tar is not here")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_hard_links_of_every_format_of_tar_name_their_target(form, tmp_path):
    (tmp_path / "d" / "n1").mkdir(parents=True)
    (tmp_path / "d" / "n1" / "a.jpg").write_bytes(b"abc")
    (tmp_path / "d" / "n1" / "b.jpg").hardlink_to(tmp_path / "d" / "n1" / "a.jpg")
    path = tmp_path / "x.tar"
    command = ["tar", f"--format={form}", "--sort=name", "-cf", str(path), "-C", "d", "n1"]
    subprocess.run(command, check=True, cwd=tmp_path)
    last = scan(path)[-1]
    assert (last.name, last.kind, last.link) == (b"n1/b.jpg", "hard link", b"n1/a.jpg")
