from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import time
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.factories import row
from texgen.dataset.shards import ShardWriter, read_members, sample_json

LONG = "class/" + "n" * 150
SAMPLES = [("ant/a", 0, b"first"), ("ant/a+001", 0, b"\0" * 512), (LONG, 999, b"x" * 1025)]
GOLDEN = "1746e915d650db7ae53f50f44042be32ae7d88968db5a4dca02a4e3d20053f8b"


def write(path: Path, samples: list[tuple[str, int | None, bytes]] = SAMPLES) -> ShardWriter:
    with ShardWriter(path, "train/train-000000.tar", "jpg") as writer:
        for key, label, image in samples:
            writer.add(key, label, b'{"key":"%s"}' % key.encode(), image)
    return writer


def test_the_bytes_of_a_shard_never_change_between_versions(tmp_path):
    assert write(tmp_path / "a.tar").sha256 == GOLDEN


def test_the_bytes_of_a_shard_depend_on_neither_time_nor_place(tmp_path, monkeypatch):
    first = write(tmp_path / "a.tar")
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.5)
    monkeypatch.setattr(os, "getpid", lambda: 12345)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = os.umask(0o077)
    try:
        write(Path("b.tar"))
    finally:
        os.umask(before)
    assert Path("b.tar").read_bytes() == (tmp_path / "a.tar").read_bytes()
    assert first.size == (tmp_path / "a.tar").stat().st_size


def test_size_and_digest_are_those_of_the_file(tmp_path):
    writer = write(tmp_path / "a.tar")
    data = (tmp_path / "a.tar").read_bytes()
    assert (writer.size, writer.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_sample_is_three_members_with_the_image_last(tmp_path):
    write(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        infos = tar.getmembers()
        assert [info.name for info in infos] == [
            f"{key}.{extension}" for key, _, _ in SAMPLES for extension in ("cls", "json", "jpg")
        ]
        assert [tar.extractfile(info).read() for info in infos[2::3]] == [s[2] for s in SAMPLES]
        assert [tar.extractfile(info).read() for info in infos[::3]] == [b"0", b"0", b"999"]
    about = {(i.mtime, i.uid, i.gid, i.uname, i.gname, i.type) for i in infos}
    assert about == {(0, 0, 0, "", "", tarfile.REGTYPE)}


def test_a_texture_without_a_label_has_no_cls_member(tmp_path):
    write(tmp_path / "a.tar", [("a", None, b"image")])
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["a.json", "a.jpg"]


def test_webdataset_reads_samples_with_keys_over_100_characters(tmp_path):
    write(tmp_path / "a.tar")
    found = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False))
    assert [(s["__key__"], int(s["cls"]), s["jpg"]) for s in found] == SAMPLES
    assert [json.loads(s["json"])["key"] for s in found] == [key for key, _, _ in SAMPLES]


def test_a_shard_without_samples_is_an_empty_tar(tmp_path):
    writer = write(tmp_path / "a.tar", [])
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getmembers() == []
    assert writer.size == tarfile.RECORDSIZE
    with (tmp_path / "a.tar").open("rb") as file:
        assert list(read_members(file)) == []


KEYS = st.text("abyz09_-~/+", min_size=1, max_size=140).map(lambda text: "c/" + text + "e")
ANY_SAMPLES = st.lists(
    st.tuples(KEYS, st.none() | st.integers(0, 10**6), st.binary(max_size=1200)), max_size=5
)


@settings(max_examples=40)
@given(ANY_SAMPLES)
def test_a_member_tells_where_the_image_lies(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("shard") / "a.tar"
    with ShardWriter(path, "val/val-000007.tar", "png") as writer:
        members = [writer.add(key, label, b"{}", image) for key, label, image in samples]
    data = path.read_bytes()
    for (_, _, image), member in zip(samples, members, strict=True):
        assert data[member.offset : member.offset + member.length] == image
        assert member.sha256 == hashlib.sha256(image).hexdigest()
        assert member.shard == "val/val-000007.tar"
    with tarfile.open(path) as tar:
        images = [info for info in tar if info.name.endswith(".png")]
        assert [info.name for info in images] == [f"{key}.png" for key, _, _ in samples]
        assert [info.offset_data for info in images] == [member.offset for member in members]


def test_an_error_while_writing_leaves_no_finished_tar(tmp_path):
    def interrupted() -> None:
        with ShardWriter(tmp_path / "a.tar", "train/a.tar", "jpg") as writer:
            writer.add("a", 0, b"{}", b"image")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert not (tmp_path / "a.tar").read_bytes().endswith(b"\0" * 1024)


def test_members_come_back_as_they_were_written(tmp_path):
    write(tmp_path / "a.tar")
    data = (tmp_path / "a.tar").read_bytes()
    found = list(read_members(io.BytesIO(data)))
    assert [m.name for m in found[2::3]] == [f"{key}.jpg" for key, _, _ in SAMPLES]
    assert [m.data for m in found[2::3]] == [image for _, _, image in SAMPLES]
    assert all(data[m.offset : m.offset + len(m.data)] == m.data for m in found)


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 1024 + 100, 3 * 1024 + 512])
def test_a_tar_that_is_cut_inside_a_member_is_an_error(tmp_path, cut):
    write(tmp_path / "a.tar")
    data = (tmp_path / "a.tar").read_bytes()
    with pytest.raises(tarfile.TarError):
        list(read_members(io.BytesIO(data[:cut])))


def test_a_tar_without_its_end_is_an_error(tmp_path):
    write(tmp_path / "a.tar", [("a", 0, b"image")])
    data = (tmp_path / "a.tar").read_bytes()
    with pytest.raises(tarfile.TarError):
        list(read_members(io.BytesIO(data[: 6 * 512])))


@pytest.mark.parametrize("data", [b"", b"\xff" * 2048, b"no tar at all"])
def test_what_is_no_tar_is_an_error(data):
    with pytest.raises(tarfile.TarError):
        list(read_members(io.BytesIO(data)))


def test_provenance_holds_the_contracts_fields_in_sorted_order():
    data = sample_json(row("ant/a"), "embark", "3")
    about = json.loads(data)
    assert about == {
        "key": "ant/a", "source": "ant/a.jpg", "label": 0, "class": "ant", "width": 120,
        "height": 110, "patch_size": 96, "center": [12, 7], "random": [3, 4], "texture_index": 0,
        "seed": 7, "engine": "embark", "engine_version": "3",
    }  # fmt: skip
    assert data == json.dumps(about, sort_keys=True, separators=(",", ":")).encode()


def test_provenance_without_geometry_is_refused():
    with pytest.raises(ValueError, match="ant/a"):
        sample_json(row("ant/a", error="image_empty: x"), "embark", "3")
