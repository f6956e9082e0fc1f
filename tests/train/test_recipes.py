"""Every recipe runs for two steps on synthetic data, and has the paper's figures."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_source
from texgen.cli.main import run
from texgen.train.metrics import read_metrics

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[2] / "pipelines" / "train"
RECIPES = sorted(FOLDER.glob("*.toml"))
TINY = [
    *("--arch", "resnet18", "--width", "0.125", "--size", "32", "--batch-size", "4"),
    *("--queue-size", "16", "--max-steps", "2", "--workers", "0", "--log-every", "1"),
    *("--quiet", "--device", "cpu"),
]


def test_there_is_one_for_every_row_of_the_papers_tables_and_for_pacs():
    rows = {"table1": 9, "table2": 2, "table3": 2, "table4": 2, "pacs": 1}
    found = [path.stem.partition("-")[0] for path in RECIPES]
    assert {name: found.count(name) for name in found} == rows


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs(path, image_folder, textures, tmp_path):
    settings = tomllib.loads(path.read_text())
    source = stl10(tmp_path / "src") if "stl10" in path.stem else image_folder
    more = ["--textures", str(textures)] if settings.get("negatives") == "texture" else []
    if settings.get("negatives") == "patch":
        more += ["--patch-range", "8", "16"]
    out = tmp_path / "run"
    arguments = ["train", "--config", str(path), "--src", str(source), "--out", str(out)]
    assert run([*arguments, *TINY, *more]) == 0
    rows = read_metrics(out)
    assert len(rows) == 2
    assert ("ns_share" in rows[0]) == (
        settings.get("negatives", "none") != "none" and settings["method"] != "byol"
    )


def stl10(folder: Path) -> Path:
    folder.mkdir()
    for part, count in (("unlabeled", 6), ("train", 4)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 3, 96, 96), np.uint8)
        (folder / f"{part}_X.bin").write_bytes(pixels.tobytes())
    return folder


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipes_commands_name_itself(path):
    text = path.read_text()
    if path.stem != "pacs":
        assert f"--config pipelines/train/{path.name} " in text
        assert f"eval linear runs/{path.stem} --out out/{path.stem}-linear.json" in text
        assert re.search(r"The paper's Table \d \(.*\): [0-9]", text)
    assert ("--textures" in text) == ('negatives = "texture"' in text)


@pytest.mark.integration
@pytest.mark.slow
def test_the_pacs_pipeline_runs_from_images_to_a_page_and_resumes(tmp_path):
    for seed, place in enumerate(["photo/train", "photo/val", "ood/art_painting"]):
        make_source(tmp_path / "pacs" / place, {"dog": 33 if seed == 0 else 2, "cat": 32}, (50, 48))
    for name in ("cartoon", "sketch"):
        shutil.copytree(tmp_path / "pacs/ood/art_painting", tmp_path / "pacs/ood" / name)
    settings = {"RUNS": "texture 2,fresh 2", "SEEDS": "0", "STEPS": "1", "K": "5"}
    settings["OPTIONS"] = "--no-colour-jitter --num-negatives 2"
    settings["BUILD"] = "--textures-per-image 2"
    command = ["bash", str(FOLDER / "pacs.sh"), str(tmp_path / "pacs"), str(tmp_path / "work")]
    env = {**os.environ, **settings, "PYTHON": sys.executable}
    for _ in range(2):
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
    assert "already complete" in done.stdout
    page = (tmp_path / "work" / "report.html").read_text()
    assert "texture-2-0" in page
    config = json.loads((tmp_path / "work/runs/texture-2-0/config.json").read_text())
    assert (config["colour_jitter"], config["num_negatives"]) == (False, 2)
    results = {path.name for path in (tmp_path / "work" / "results").glob("*.json")}
    kinds = ("linear", "knn", "ood", "similarity", "texture-accuracy")
    runs = ("texture-2-0", "fresh-2-0")
    assert results == {"sweep.json", *(f"{one}-{kind}.json" for one in runs for kind in kinds)}
    config = json.loads((tmp_path / "work/runs/fresh-2-0/config.json").read_text())
    assert (config["fresh"], config["texture_size"], config["patch_size"]) == (True, 96, 41)


def test_the_comparison_of_fresh_and_built_textures_runs_pacs_sh_for_both_sizes(tmp_path):
    """With a stand-in for pacs.sh, which the slow test above runs."""
    shutil.copy(FOLDER / "pacs_fresh.sh", tmp_path)
    (tmp_path / "pacs.sh").write_text('echo "$1|$2|$RUNS|$SEEDS|$OPTIONS"\n')
    line = ["bash", str(tmp_path / "pacs_fresh.sh"), "pacs", "work"]
    env = {**os.environ, "SEEDS": "0", "OPTIONS": "--amp"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=True)
    runs = "none 1,texture 2,fresh 2"
    assert done.stdout.splitlines() == [
        f"pacs|work/64|{runs}|0|--amp",
        f"pacs|work/96|{runs}|0|--size 96 --patch-range 7 31 --amp",
    ]
