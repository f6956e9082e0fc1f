"""The commands of texgen eval and analyze, end to end on a tiny run."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import make_source, synthetic_image
from tests.evaluate.conftest import COMMON, read
from texgen.cli.main import run
from texgen.evaluate.paper.published_results import table_for
from texgen.source import read_classes


def plotted(out: Path) -> bool:
    """Whether the PNG is not blank and the PDF begins like one."""
    with Image.open(io.BytesIO(out.with_suffix(".png").read_bytes())) as image:
        pixels = np.asarray(image.convert("L"))
    assert out.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    return 0.01 < (pixels < 200).mean() < 0.6


def call(*arguments: object) -> int:
    return run([str(one) for one in (*arguments, *COMMON)])


@pytest.fixture(scope="session")
def results(trained, linear, image_folder, textures, tmp_path_factory) -> Path:
    """A folder with a result of every command."""
    out = tmp_path_factory.mktemp("results")
    (out / "linear.json").write_bytes(linear.read_bytes())
    (out / "linear.png").write_bytes(linear.with_suffix(".png").read_bytes())
    for shape, texture in (("ant", "bee"), ("bee", "cat"), ("cat", "cat")):
        folder = out / "stimuli" / shape
        folder.mkdir(parents=True)
        synthetic_image(2, (32, 32)).save(folder / f"{shape}1-{texture}2.png")
    make_source(out / "sketch", {"ant": 2, "bee": 2}, (40, 40))
    (out / "coarse.csv").write_text("ant,insect\nbee,insect\ncat,mammal\n")
    answer = ["--linear", linear]
    for name, command in {
        "knn": ["eval", "knn", trained, "--k", 5],
        "ood": [
            "eval",
            "ood",
            trained,
            *answer,
            "--set",
            f"sketch={out / 'sketch'}",
            "--val-split",
            "val",
        ],
        "similarity": ["analyze", "similarity", trained, "--textures", textures, "--images", 16],
        "shape": ["analyze", "shape-bias", trained, *answer, "--stimuli", out / "stimuli"],
        "textures": [
            "analyze",
            "texture-accuracy",
            trained,
            "--knn",
            "--k",
            3,
            "--textures",
            textures,
        ],
        "fine": ["analyze", "fine-coarse", trained, *answer, "--mapping", out / "coarse.csv"],
    }.items():
        assert call(*command, "--out", out / f"{name}.json") == 0, name
    metrics = ["--metric", "linear", "--metric", "rel-patch"]
    assert run(["analyze", "sweep", str(out), *metrics, "--out", str(out / "sweep.json")]) == 0
    return out


KINDS = {
    "knn": "knn",
    "ood": "ood",
    "similarity": "similarity",
    "shape": "shape-bias",
    "textures": "texture-accuracy",
    "fine": "fine-coarse",
    "sweep": "sweep",
}


@pytest.mark.parametrize("name", KINDS)
def test_each_command_writes_a_result_and_a_plot(name, results):
    assert read(results / f"{name}.json")["kind"] == KINDS[name]
    assert plotted(results / f"{name}.json")


def test_a_result_identifies_its_run(results, trained):
    found = read(results / "ood.json")
    assert (found["run"], found["step"]) == (str(trained), 4)
    assert found["config"]["method"] == "simclr"
    assert set(found["sets"]) == {"val", "sketch"}
    assert found["sets"]["sketch"]["classes"] == 2


def test_the_folder_of_a_set_may_be_relative(trained, image_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(image_folder)
    out = tmp_path / "ood.json"
    assert call("eval", "ood", trained, "--knn", "--k", 3, "--set", "a=val", "--out", out) == 0
    assert set(read(out)["sets"]) == {"a"}


def test_the_name_of_a_mapping_need_not_be_utf8(trained, image_folder, tmp_path):
    out, mapping = tmp_path / "ood.json", tmp_path / "n\udcff.csv"
    mapping.write_text("ant,ant\nbee,bee\n")
    arguments = ["--set", f"a={image_folder / 'val'}", "--mapping", f"a={mapping}", "--out", out]
    assert call("eval", "ood", trained, "--knn", "--k", 3, *arguments) == 0
    assert read(out)["sets"]["a"]["classes"] == 2


def test_the_classifier_beside_the_result_is_data_alone(linear):
    state = torch.load(linear.with_suffix(".pt"), weights_only=True)
    assert state["classes"] == ["ant", "bee", "cat"]


def test_accuracy_on_the_validation_split_is_the_last_epochs(results, linear):
    assert read(results / "ood.json")["sets"]["val"]["accuracy"] == read(linear)["last"]["top1"]


def test_the_report_joins_them_and_loads_nothing(results, tmp_path, capsys):
    page = tmp_path / "f.html"
    assert run(["analyze", "report", str(results), "--html", str(page)]) == 0
    assert "8 results" in capsys.readouterr().out
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 8
    assert "http" not in text.replace("http-equiv", "")
    for title in ("Linear evaluation", "Other domains", "Similarities", "Fig. 7", "Sweeps"):
        assert title in text
    # The paper's mean positive cosine in Fig. 2.
    assert "0.9426" in text


def test_a_result_is_printed_as_json(trained, tmp_path, capsys):
    out = tmp_path / "knn.json"
    assert call("eval", "knn", trained, "--k", 5, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == read(out)


def test_results_of_other_runs_are_drawn_too(results, trained, textures, tmp_path):
    out = tmp_path / "both.json"
    more = ["--textures", textures, "--beside", results / "textures.json"]
    assert call("analyze", "texture-accuracy", trained, "--knn", "--k", 3, *more, "--out", out) == 0
    assert out.with_suffix(".png").read_bytes() != (results / "textures.png").read_bytes()


WRONG = {
    "no run": (["eval", "knn", "{tmp}"], "neither a checkpoint nor a run"),
    "large k": (["eval", "knn", "{run}", "--k", "99"], "--k 99: .* has 28 images; lower --k"),
    "no split": (
        ["eval", "linear", "{run}", "--val-split", "x", "--cached"],
        "--val-split x: SRC has only train, val",
    ),
    "no split to learn from": (
        ["eval", "knn", "{run}", "--train-split", "x"],
        "--train-split x: SRC has only train, val",
    ),
    "no folder of a set": (
        ["eval", "ood", "{run}", "--knn", "--k", "3", "--set", "a={tmp}/x"],
        "texgen: --set .*/x: no such",
    ),
    "no stimuli": (
        ["analyze", "shape-bias", "{run}", "--knn", "--k", "3", "--stimuli", "{tmp}/x"],
        "texgen: --stimuli .*/x: no such",
    ),
    "no classifier": (["eval", "ood", "{run}", "--set", "a={tmp}"], "name one classifier"),
    "no set": (["eval", "ood", "{run}", "--knn"], "name what to evaluate on"),
    "no name": (["eval", "ood", "{run}", "--knn", "--set", "{tmp}"], "expected NAME=PATH"),
    "no images": (["eval", "ood", "{run}", "--knn", "--set", "a={tmp}"], "no image"),
    "refused place": (
        ["eval", "ood", "{run}", "--knn", "--set", "a=~nosuchuser/x"],
        "texgen: --set a=~nosuchuser/x: .*no such user",
    ),
    "stray mapping": (
        ["eval", "ood", "{run}", "--knn", "--set", "a={tmp}", "--mapping", "b=x"],
        "no --set is called b",
    ),
    "other classes": (
        ["eval", "ood", "{run}", "--knn", "--k", "3", "--set", "a={emus}"],
        "none of its classes",
    ),
    "no linear": (
        ["eval", "ood", "{run}", "--linear", "{tmp}/x.json", "--set", "a={emus}"],
        "x.pt is not beside it; run texgen eval linear again",
    ),
    "no dogs": (["analyze", "fine-coarse", "{run}", "--knn", "--k", "3"], "by --mapping"),
    "no splits": (["eval", "knn", "{run}", "--src", "{more}"], "has no splits train and val"),
    "one split": (
        ["eval", "linear", "{run}", "--val-split", "train"],
        "are both train; name two splits",
    ),
    "large patches": (
        ["analyze", "similarity", "{run}", "--patch-range", "16", "72"],
        "px at most",
    ),
    "no results": (["analyze", "sweep", "{tmp}"], "no JSON of texgen eval"),
    "not a result": (["analyze", "sweep", "{run}/config.json"], "not a result of texgen"),
    "no textures": (
        ["analyze", "similarity", "{run}", "--textures", "{tmp}"],
        "texgen: --textures .*: no finished",
    ),
    "no texture split": (
        [
            *("analyze", "texture-accuracy", "{run}", "--knn", "--k", "3"),
            *("--textures", "{textures}", "--textures-split", "x"),
        ],
        "texgen: --textures .*no split 'x'",
    ),
    "corruption of nothing": (
        ["eval", "ood", "{run}", "--knn", "--set", "a={emus}", "--corruption", "fog"],
        "--corruption needs images",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_input_is_one_line(case, trained, textures, tmp_path, capsys):
    arguments, expected = WRONG[case]
    make_source(tmp_path / "more" / "emus", {"emu": 1}, (40, 40))
    (tmp_path / "empty").mkdir()
    places = {"tmp": tmp_path / "empty", "run": trained, "emus": tmp_path / "more" / "emus"}
    places |= {"more": tmp_path / "more", "textures": textures}
    filled = [one.format(**places) for one in arguments]
    common = [] if "sweep" in filled else COMMON
    code = run([*filled, "--out", str(tmp_path / "f.json"), *common])
    message = capsys.readouterr().err
    assert message.count("\n") == 1, message
    assert re.search(expected, message), message
    assert code == 2
    assert not (tmp_path / "f.json").exists()


@pytest.mark.parametrize("ranks", ["2", "two"])
def test_one_rank_of_several_does_not_evaluate(ranks, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", ranks)
    out = tmp_path / "f.json"
    assert run(["eval", "knn", str(trained), "--k", "3", "--out", str(out), *COMMON]) == 2
    assert "start it without torchrun" in capsys.readouterr().err
    assert not out.exists()


def test_images_that_moved_are_reported_as_the_runs(trained, image_folder, tmp_path, capsys):
    moved = tmp_path / "moved"
    shutil.copytree(trained, moved)
    config = (moved / "config.json").read_text()
    checkpoint = max((moved / "checkpoints").iterdir())
    gone = str(image_folder.with_name("gone"))
    state = torch.load(checkpoint, weights_only=True)
    assert str(image_folder) in config
    torch.save({**state, "config": state["config"].replace(str(image_folder), gone)}, checkpoint)
    for command in (["eval", "knn", "--k", "3"], ["analyze", "similarity", "--images", "16"]):
        code = run([*command, str(moved), "--out", str(tmp_path / "f.json"), *COMMON])
        message = capsys.readouterr().err
        assert code == 2
        assert f"--src {gone}: no such" in message
        assert "the run was trained on it: name its present place with --src" in message
        assert message.count("\n") == 1
        named = ["--src", str(image_folder)]
        assert call(*command, moved, *named, "--out", tmp_path / "f.json") == 0


def test_the_papers_table_is_that_of_the_classes():
    assert table_for(read_classes("imagenet100"))["name"].startswith("Table 1")
    assert table_for([f"n{number:08d}" for number in range(1000)])["name"].startswith("Table 2")
    # PACS has sketches too, which are not ImageNet-Sketch.
    assert table_for(("dog", "horse")) is None


@pytest.mark.parametrize("name", ["index.json", "metrics.json"])
def test_a_file_that_is_not_a_result_is_not_overwritten(name, trained, tmp_path, capsys):
    path = tmp_path / name
    path.write_text('{"format": "texgen-dataset"}')
    assert run(["eval", "knn", str(trained), "--k", "3", "--out", str(path), *COMMON]) == 2
    assert "is not a result of texgen eval or analyze" in capsys.readouterr().err
    assert path.read_text() == '{"format": "texgen-dataset"}'


def test_the_classifier_that_is_read_is_not_overwritten(trained, tmp_path, capsys):
    path = tmp_path / "linear.json"
    path.write_text('{"kind": "knn", "run": "", "step": 1, "config": {}, "top1": 1}')
    (tmp_path / "other.json").hardlink_to(path)
    linear = ["--linear", str(path), "--set", f"x={tmp_path}"]
    code = run(
        ["eval", "ood", str(trained), *linear, "--out", str(tmp_path / "other.json"), *COMMON]
    )
    assert code == 2
    assert "linear.json, which is read; name another" in capsys.readouterr().err
