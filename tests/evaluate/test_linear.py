"""Linear evaluation of a frozen encoder."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.evaluate.conftest import Pixels
from texgen.core.errors import ConfigError
from texgen.evaluate.config import LinearConfig
from texgen.evaluate.features import open_folder, open_labelled
from texgen.evaluate.linear import load_linear, train_linear
from texgen.evaluate.run import encoder_fingerprint

QUICK = LinearConfig(lr=1.0, epochs=3, batch_size=8, milestones=(1, 2))


@pytest.fixture
def sets(image_folder):
    return open_labelled(str(image_folder), "train"), open_labelled(str(image_folder), "val")


@pytest.mark.parametrize("cached", [True, False])
def test_the_encoder_stays_as_it_is_and_last_and_best_are_reported(cached, sets, tiny_run):
    before = encoder_fingerprint(tiny_run.encoder)
    rows = []
    config = dataclasses.replace(QUICK, cached=cached)
    classifier, found = train_linear(tiny_run, *sets, config, lambda *row: rows.append(row))
    assert encoder_fingerprint(tiny_run.encoder) == before
    history = found["history"]
    assert [row["lr"] for row in history] == pytest.approx([1.0, 0.1, 0.01])
    assert found["last"]["top1"] == history[-1]["top1"]
    assert found["best"]["top1"] == max(row["top1"] for row in history)
    assert [one[:2] for one in rows] == [(1, 3), (2, 3), (3, 3)]
    assert classifier.classes == ("ant", "bee", "cat")
    assert found["images"] == {"train": 28, "val": 12}


def test_classes_that_can_be_told_apart_are_learned(tmp_path, tiny_run, run_of):
    from PIL import Image

    for name, colour in (("dark", 20), ("light", 230)):
        (tmp_path / name).mkdir()
        for number in range(6):
            grey = (colour + number,) * 3
            Image.new("RGB", (40, 40), grey).save(tmp_path / name / f"{number}.png")
    images = open_folder(str(tmp_path))
    _, found = train_linear(run_of(Pixels()), images, images, dataclasses.replace(QUICK, lr=0.001))
    assert found["last"]["top1"] == 100.0


def test_the_classifier_is_read_again_and_only_for_its_encoder(
    sets, tiny_run, encoder, run_of, tmp_path
):
    classifier, _ = train_linear(tiny_run, *sets, dataclasses.replace(QUICK, cached=True))
    (tmp_path / "f.pt").write_bytes(classifier.to_bytes())
    again = load_linear(str(tmp_path / "f.json"), tiny_run)
    features = torch.randn(5, classifier.layer.in_features)
    assert torch.equal(again(features), classifier(features))
    with torch.no_grad():
        encoder.conv1.weight[0] += 1
    with pytest.raises(ConfigError, match="another checkpoint"):
        load_linear(str(tmp_path / "f.json"), run_of(encoder))


def test_classes_to_validate_on_that_were_not_learned_are_an_error(sets, tiny_run):
    train, val = sets
    other = dataclasses.replace(val, classes=("ant", "emu", "cat"))
    with pytest.raises(ConfigError, match="has not: emu"):
        train_linear(tiny_run, train, other, QUICK)
