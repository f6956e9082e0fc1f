"""Fixtures of the evaluation's tests: images, textures and one tiny run."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.conftest import make_source
from tests.train.conftest import one_thread as one_thread  # a fixture of all tests here
from texgen.cli.main import run as texgen
from texgen.evaluate.run import TrainedRun, open_run

CLASSES = {"ant": 12, "bee": 8, "cat": 8}


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 training images and 12 validation images in three classes, 40 px."""
    root = tmp_path_factory.mktemp("images")
    make_source(root / "train", CLASSES, (40, 40))
    make_source(root / "val", {"ant": 5, "bee": 4, "cat": 3}, (40, 40))
    return root


@pytest.fixture(scope="session")
def textures(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build with a texture of each image, 32 px."""
    out = tmp_path_factory.mktemp("textures") / "shards"
    sizes = ["--size", "32", "--patch-size", "16", "--small-patch-size", "16"]
    arguments = ["build", "--src", str(image_folder), "--out", str(out), *sizes]
    assert texgen([*arguments, "--no-ray", "--quiet"]) == 0
    return out


@pytest.fixture(scope="session")
def trained(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SimCLR's first four steps."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    size = ["--arch", "resnet18", "--width", "0.125", "--size", "32", "--batch-size", "8"]
    some = ["--epochs", "4", "--max-steps", "4", "--patch-range", "8", "16", "--workers", "0"]
    arguments = ["train", "--src", str(image_folder), "--out", str(out), "--method", "simclr"]
    assert texgen([*arguments, *size, *some, "--quiet", "--device", "cpu"]) == 0
    return out


@pytest.fixture(scope="session")
def linear(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON of a linear classifier on the run."""
    out = tmp_path_factory.mktemp("linear") / "linear.json"
    arguments = ["eval", "linear", str(trained), "--cached", "--epochs", "3", "--lr", "1"]
    assert texgen([*arguments, *COMMON, "--quiet", "--out", str(out)]) == 0
    return out


COMMON = ["--workers", "0", "--device", "cpu"]


@pytest.fixture(scope="session")
def tiny_run(trained: Path) -> TrainedRun:
    return open_run(str(trained), "cpu")


@pytest.fixture
def run_of(tiny_run: TrainedRun) -> Callable[[nn.Module], TrainedRun]:
    """Gives the run with another encoder."""

    def make(encoder: nn.Module) -> TrainedRun:
        return TrainedRun("made", tiny_run.config, 0, encoder, torch.device("cpu"), 0)

    return make


@pytest.fixture
def encoder(tiny_run: TrainedRun) -> nn.Module:
    """A copy of the encoder that a test may change."""
    return copy.deepcopy(tiny_run.encoder)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


class Pixels(nn.Module):
    """An encoder whose features are the pixels, so that cosines are known."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


class Answers:
    """A classifier that gives each image's scores from a list, in order."""

    name = "answers"

    def __init__(self, classes: tuple[str, ...], scores: torch.Tensor) -> None:
        self.classes, self.scores = classes, scores

    def __call__(self, found: torch.Tensor) -> torch.Tensor:
        return self.scores[: len(found)].log_softmax(1)
