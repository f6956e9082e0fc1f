"""`texgen export`: class folders of image files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from texgen.cli.main import run
from texgen.core.errors import ConfigError, DatasetError
from texgen.dataset.random_access import TextureStore
from texgen.dataset.reader import Dataset
from texgen.storage import Sink
from texgen.transfer import DownloadRequest, download, export, open_remote


def exported(out: Path, to: Path, *splits: str):
    return export(Dataset(Sink(out)), splits, to, lambda done, total: None)


def test_every_texture_is_a_file_in_its_class_folder(finished, tmp_path):
    summary = exported(finished, tmp_path / "files")
    files = {p.relative_to(tmp_path / "files").as_posix() for p in tmp_path.rglob("*.png")}
    expected = set()
    for split in ("train", "val"):
        store = TextureStore(finished, split)
        keys = list(store.keys())
        expected |= {f"{split}/{key}.png" for key in keys}
        for key in keys:
            path = tmp_path / "files" / split / f"{key}.png"
            assert path.read_bytes() == store.read(key)
    assert files == expected
    assert (summary.files, summary.written, summary.failed) == (12, 12, 2)
    with Image.open(tmp_path / "files" / "train" / "ant" / "ant_000+001.png") as image:
        assert image.size == (16, 16)


def test_an_export_goes_on_where_it_stopped(finished, tmp_path):
    exported(finished, tmp_path / "files")
    gone = tmp_path / "files" / "train" / "ant" / "ant_000.png"
    cut = tmp_path / "files" / "train" / "ant" / "ant_001.png"
    whole = cut.read_bytes()
    gone.unlink()
    cut.write_bytes(whole[:10])
    assert exported(finished, tmp_path / "files").written == 2
    assert cut.read_bytes() == whole
    assert exported(finished, tmp_path / "files").written == 0


def test_one_split_and_no_other(finished, tmp_path):
    assert exported(finished, tmp_path / "files", "val").files == 2
    assert [p.name for p in (tmp_path / "files").glob("[!.]*")] == ["val"]
    with pytest.raises(ConfigError, match=r"has only train, val$"):
        exported(finished, tmp_path / "files", "test")
    with pytest.raises(ConfigError, match="has only train, val; give --split once for each"):
        exported(finished, tmp_path / "files", "train,val")


def test_images_are_not_replaced_and_nothing_is_put_beside_them(finished, tmp_path, capsys):
    synthetic_image = tmp_path / "inet" / "train" / "ant" / "ant_000.png"
    synthetic_image.parent.mkdir(parents=True)
    synthetic_image.write_bytes(b"an image")
    assert run(["export", str(finished), "--to", str(tmp_path / "inet")]) == 2
    assert "is not empty and not an export of this data set" in capsys.readouterr().err
    assert [p for p in (tmp_path / "inet").rglob("*") if p.is_file()] == [synthetic_image]
    assert synthetic_image.read_bytes() == b"an image"


def test_an_export_of_one_data_set_does_not_take_in_another(finished, out, tmp_path):
    exported(finished, tmp_path / "files", "val")
    index = out / "index.json"
    index.write_text(index.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(ConfigError, match="is an export of another"):
        exported(out, tmp_path / "files")
    assert not (tmp_path / "files" / "train").exists()
    assert exported(finished, tmp_path / "files").written == 10


def test_of_a_part_the_textures_that_are_there_are_written(finished, tmp_path):
    request = DownloadRequest(tmp_path / "part", ["train"], range(1, 3))
    there = download(open_remote(str(finished)), request, lambda done, total: None).samples
    summary = exported(tmp_path / "part", tmp_path / "files")
    assert summary.files == summary.written == there > 0
    store = TextureStore(tmp_path / "part")
    files = {
        p.relative_to(tmp_path / "files" / "train").as_posix() for p in tmp_path.rglob("*.png")
    }
    assert files == {f"{key}.png" for key in list(store.keys())}


def test_a_damaged_texture_is_not_written(out, tmp_path):
    dataset = Dataset(Sink(out))
    row = dataset.sample("train", 1)[0]
    path = out / row["shard"]
    data = bytearray(path.read_bytes())
    data[row["offset"] + 5] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="is damaged"):
        exported(out, tmp_path / "files")
    assert not (tmp_path / "files" / "train" / f"{row['key']}.png").exists()
    assert not list(tmp_path.rglob("*.part"))


def test_a_key_that_leads_elsewhere_is_refused(finished, tmp_path, monkeypatch):
    row = {**Dataset(Sink(finished)).sample("val", 1)[0], "key": "../../elsewhere"}
    monkeypatch.setattr(Dataset, "rows", lambda self, split, columns=None: iter([row]))
    with pytest.raises(DatasetError, match="is not a valid key"):
        exported(finished, tmp_path / "files", "val")
    assert not list(tmp_path.rglob("*.png"))


def test_the_command_prints_the_result_and_keeps_out_of_out(finished, tmp_path, capsys):
    assert run(["export", str(finished), "--to", str(tmp_path / "files")]) == 0
    assert capsys.readouterr().out.startswith(f"12 textures in {tmp_path}/files, 12 new, 2 rows")
    assert run(["export", str(finished), "--to", str(tmp_path / "files"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0
    assert run(["export", str(finished), "--to", str(finished / "files")]) == 2
    assert "lies in" in capsys.readouterr().err
