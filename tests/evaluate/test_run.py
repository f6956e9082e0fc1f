"""The encoder of a run is frozen: no evaluation changes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import nn

from tests.conftest import make_source, synthetic_image
from texgen.dataset.random_access import TextureStore
from texgen.evaluate.config import KnnConfig, LinearConfig, SimilarityConfig
from texgen.evaluate.corruptions import SEVERITIES
from texgen.evaluate.features import (
    LabelledImages,
    TextureImages,
    open_folder,
    open_labelled,
    with_labels,
)
from texgen.evaluate.knn import KnnClassifier, evaluate_knn
from texgen.evaluate.linear import train_linear
from texgen.evaluate.ood import Domain, evaluate_corrupted, evaluate_domain
from texgen.evaluate.paper.bias import (
    measure_fine_coarse,
    measure_shape_bias,
    measure_texture_accuracy,
)
from texgen.evaluate.paper.similarity import measure_similarity
from texgen.evaluate.run import TrainedRun, encoder_fingerprint, open_run


@pytest.mark.parametrize("which", ["conv1.weight", "bn1.running_mean", "bn1.num_batches_tracked"])
def test_a_change_of_any_parameter_or_buffer_changes_the_fingerprint(which, encoder):
    before = encoder_fingerprint(encoder)
    encoder.state_dict()[which].view(-1)[0] += 1
    assert encoder_fingerprint(encoder) != before


@dataclass
class Inputs:
    """Inputs of the evaluations below, besides the run."""

    root: Path
    textures: Path
    train: LabelledImages
    val: LabelledImages
    knn: KnnClassifier


@pytest.fixture(scope="module")
def inputs(image_folder, textures, tiny_run, tmp_path_factory) -> Inputs:
    root = tmp_path_factory.mktemp("frozen")
    (root / "stimuli" / "ant").mkdir(parents=True)
    synthetic_image(2, (32, 32)).save(root / "stimuli" / "ant" / "ant1-bee2.png")
    for severity in SEVERITIES:
        make_source(root / "c" / "fog" / str(severity), {"ant": 1, "bee": 1}, (32, 32))
    train, val = (open_labelled(str(image_folder), split) for split in ("train", "val"))
    return Inputs(root, textures, train, val, KnnClassifier(tiny_run, train, KnnConfig(k=3)))


def run_similarity(run: TrainedRun, given: Inputs) -> None:
    config = SimilarityConfig(images=16, batch=8, patch_range=(8, 16))
    measure_similarity(run, given.train.image_set, TextureStore(given.textures), config)


def run_texture_accuracy(run: TrainedRun, given: Inputs) -> None:
    images = with_labels("textures", TextureImages(str(given.textures), "val"))
    measure_texture_accuracy(run, given.knn, images)


EVALUATIONS = {
    "linear": lambda run, given: train_linear(
        run, given.train, given.val, LinearConfig(epochs=1, batch_size=8)
    ),
    "linear --cached": lambda run, given: train_linear(
        run, given.train, given.val, LinearConfig(epochs=1, batch_size=8, cached=True)
    ),
    "knn": lambda run, given: evaluate_knn(
        run, KnnClassifier(run, given.train, KnnConfig(k=3)), given.val
    ),
    "ood": lambda run, given: evaluate_domain(run, given.knn, Domain("val", given.val)),
    "corrupted": lambda run, given: evaluate_corrupted(
        run, given.knn, str(given.root / "c"), ["fog"]
    ),
    "similarity": run_similarity,
    "shape-bias": lambda run, given: measure_shape_bias(
        run, given.knn, open_folder(str(given.root / "stimuli"))
    ),
    "texture-accuracy": run_texture_accuracy,
    "fine-coarse": lambda run, given: measure_fine_coarse(
        run, given.knn, given.val, [("ant", "insect"), ("bee", "insect")]
    ),
}


@pytest.mark.parametrize("name", EVALUATIONS)
def test_no_evaluation_changes_the_encoder(name, inputs, trained):
    run = open_run(str(trained), "cpu", head=name == "similarity")
    before = encoder_fingerprint(run.encoder)
    EVALUATIONS[name](run, inputs)
    assert encoder_fingerprint(run.encoder) == before
    assert not any(module.training for module in run.encoder.modules())
    assert not any(parameter.requires_grad for parameter in run.encoder.parameters())
    norms = [m for m in run.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.track_running_stats for norm in norms)
