"""The scripts of docs/examples run as typed, on real photographs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import webdataset as wds

from texgen.cli.main import run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SMALL = ["--size", "32", "--batch", "4", "--steps", "2"]

pytestmark = pytest.mark.whole


def build(source: Path, out: Path) -> Path:
    sizes = ["--size", "64", "--patch-size", "32", "--small-patch-size", "32"]
    more = ["--samples-per-shard", "4", "--no-ray", "--quiet"]
    assert run(["build", "--src", str(source), "--out", str(out), *sizes, *more]) == 0
    return out


@pytest.fixture(scope="module")
def source(imagenet_mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight classes of ImageNet with an image each, as a folder with a split."""
    root = tmp_path_factory.mktemp("source")
    for folder in sorted((imagenet_mini / "train").iterdir())[:8]:
        (root / "train" / folder.name).mkdir(parents=True)
        image = min(folder.iterdir())
        shutil.copy(image, root / "train" / folder.name / image.name)
    return root


@pytest.fixture(scope="module")
def shards(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, tmp_path_factory.mktemp("textures") / "shards")


def script(name: str, *arguments: object) -> list[str]:
    """Runs an example, and returns the lines of its output."""
    # Without the environment's limit two loaders and a trainer take all processors.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["plain_pytorch", "lightly_simclr", "lightly_moco"])
def test_a_training_loop_prints_the_loss_of_each_step(name, source, shards):
    queue = ["--queue", 16] if name == "lightly_moco" else []
    lines = script(f"{name}.py", source / "train", shards, *SMALL, *queue)
    assert [re.fullmatch(r"step (\d): loss \d+\.\d{3}", line)[1] for line in lines] == ["1", "2"]


def test_fresh_textures_need_no_build(source, no_orphans):
    lines = script("fresh_textures.py", source / "train", *SMALL[:4], "--epochs", 2)
    assert [re.fullmatch(r"epoch (\d): loss \d+\.\d{3}", line)[1] for line in lines] == ["0", "1"]


@pytest.mark.usefixtures("no_orphans")
def test_a_gpu_or_the_processors_make_the_textures_of_a_batch(source, gpu, monkeypatch):
    monkeypatch.setenv("TEXGEN_SOFTWARE_GPU", "1")
    line = ("fresh_textures_gpu.py", source / "train", *SMALL[:4], "--epochs", 2)
    made_by, *losses = script(*line, "--texture-device", "cpu")
    assert made_by == "textures are made on the processors"
    assert [re.fullmatch(r"epoch (\d): loss \d+\.\d{3}", loss)[1] for loss in losses] == ["0", "1"]
    assert script(*line) == [f"textures are made on {gpu}", *losses]


def test_an_image_folder_and_its_textures_are_batched(source, shards):
    lines = script("image_folder.py", source / "train", shards)
    shape = "(4, 3, 224, 224)"
    assert lines == [f"{shape} {shape} [0, 1, 2, 3]", f"{shape} {shape} [4, 5, 6, 7]"]


def test_webdataset_streams_images_with_their_textures(source, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    files = sorted((source / "train").rglob("*.JPEG"))
    for number in range(2):
        with wds.TarWriter(str(images / f"train-{number:03d}.tar")) as tar:
            for file in files[number::2]:
                tar.write({"__key__": file.stem, "jpg": file.read_bytes()})
    shards = build(images, tmp_path / "shards")
    lines = script("webdataset_pairs.py", images / "train-{000..001}.tar", shards)
    shape = "(4, 3, 224, 224)"
    assert lines == [f"{shape} {shape} {files[first].stem}" for first in range(2)]


def test_hugging_faces_datasets_stream_textures_with_their_images(source, shards):
    lines = script("hugging_face.py", source, shards)
    assert len(lines) == 4
    for line in lines:
        assert re.fullmatch(r"n\d+/\S+ \(\d+, \d+\) \(64, 64\) \d", line), line


def test_the_index_names_every_script():
    named = set(re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.glob("*.py")}
