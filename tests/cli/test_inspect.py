from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.damage import edit_index
from texgen.cli.main import run
from texgen.dataset.reader import Dataset
from texgen.storage import Sink

KEY = "ant/ant_001+001"


def inspected(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert run(["inspect", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = run(["inspect", *map(str, arguments)])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("texgen: ")
    assert captured.err.count("\n") == 1
    return code, captured.err


def test_card_and_counts(finished, capsys):
    text = inspected(capsys, finished)
    assert text.startswith("small: 12 textures of 7 images in 5 shards, 2 failed, ")
    assert Dataset(Sink(finished)).index.fingerprint in text
    card = json.loads(inspected(capsys, finished, "--json"))
    assert card["name"] == "small"
    assert card["config"]["engine"] == "stub"
    train = card["splits"]["train"]
    assert (train["images"], train["textures"], train["failed"], train["shards"]) == (6, 10, 2, 4)
    assert train["bytes"] == sum(path.stat().st_size for path in finished.glob("train/*.tar"))
    assert train["classes"] == 2


def test_a_sample_tells_its_row_its_split_and_who_else_has_its_key(finished, capsys):
    sample = json.loads(inspected(capsys, finished, "ant/ant_000", "--json"))
    assert (sample["split"], sample["also_in"]) == ("train", ["val"])
    assert sample["row"] == Dataset(Sink(finished)).row("ant/ant_000")[1]
    text = inspected(capsys, finished, "ant/ant_000", "--split", "val")
    assert text.startswith("ant/ant_000: val\n")
    assert "--split" not in text
    assert "--split val" in inspected(capsys, finished, "ant/ant_000")


@pytest.mark.parametrize("key", [KEY, "bee/" + "b" * 120])
def test_the_python_that_is_shown_makes_the_same_texture(finished, small_source, capsys, key):
    sample = json.loads(inspected(capsys, finished, key, "--src", small_source, "--json"))
    made: dict[str, Any] = {}
    exec(sample["python"], made)  # noqa: S102 - what a reader would do
    dataset = Dataset(Sink(finished))
    with Image.open(io.BytesIO(dataset.image(sample["row"]))) as texture:
        assert np.array_equal(made["texture"], np.asarray(texture))
    text = inspected(capsys, finished, key, "--src", small_source)
    assert all(line in text for line in sample["python"].splitlines())


def test_other_settings_are_in_the_python(out, capsys):
    edit_index(out, lambda c: c["config"].update(patch_size=50, size=99, format="jpg"))
    sample = json.loads(inspected(capsys, out, KEY, "--json"))
    assert "patch_size=50" in sample["python"]
    assert "size=99" in sample["python"]
    assert "jpg is lossy" in sample["python"]


def test_a_failed_row_shows_why_and_no_python(finished, capsys):
    text = inspected(capsys, finished, "ant/broken")
    assert "image_unreadable" in text
    assert "import texgen" not in text
    assert json.loads(inspected(capsys, finished, "ant/broken", "--json"))["python"] is None


def test_a_sheet_of_the_set_and_of_one_sample(finished, small_source, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    sizes = []
    for more in (["--count", "4"], ["--count", "4", "--src", small_source],
                 [KEY], [KEY, "--src", small_source]):  # fmt: skip
        assert str(sheet) in inspected(capsys, finished, *more, "--sheet", sheet)
        with Image.open(sheet) as image:
            sizes.append(image.size)
    assert len(set(sizes)) == 4
    about = json.loads(inspected(capsys, finished, "--sheet", sheet, "--json"))
    assert about["sheet"] == str(sheet)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--src", "."], "--src goes with KEY or --sheet"),
        (["--count", "3"], "--count goes with --sheet"),
        (["--split", "val"], "--split goes with KEY"),
        ([KEY, "--sheet", "x.png", "--count", "3"], "leave one out"),
        (["--sheet", "x.gif"], "must end in .png"),
        (["--sheet", "none/x.png"], "make it"),
        (["--sheet", "folder.png"], "is a folder"),
        (["--sheet", "x.png", "--src", "nowhere"], "no such file or folder"),
        (["--sheet", "x.png", "--count", "0"], "--count"),
    ],
)
def test_what_cannot_be_is_one_line_and_2(finished, tmp_path, monkeypatch, capsys, more, says):
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    code, text = refused(capsys, finished, *more)
    assert code == 2
    assert says in text
    assert not Path("x.png").exists()


def test_a_sheet_is_never_written_into_the_data_set_or_the_images(finished, small_source, capsys):
    for place, name in ((finished, "OUT"), (small_source, "--src")):
        target = place / "train" / "x.png"
        code, text = refused(capsys, finished, "--sheet", target, "--src", small_source)
        assert code == 2
        assert f"lies inside {name}" in text
        assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["wasp"], 1, "no texture has the key 'wasp'"),
        (["ant_001"], 1, "near it: ant/ant_001"),
        ([KEY, "--split", "test"], 1, "no split 'test'"),
        (["ant/broken", "--sheet", "x.png"], 1, "has no texture: image_unreadable"),
    ],
)
def test_what_is_not_there_is_one_line(
    finished, tmp_path, monkeypatch, capsys, arguments, code, says
):
    monkeypatch.chdir(tmp_path)
    found, text = refused(capsys, finished, *arguments)
    assert found == code
    assert says in text
    assert list(tmp_path.iterdir()) == []


def test_no_data_set_is_one_line(tmp_path, capsys):
    code, text = refused(capsys, tmp_path)
    assert code == 1
    assert "no finished data set" in text
    code, text = refused(capsys, "gs://bucket/set")
    assert code == 2
