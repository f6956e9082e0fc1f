"""Votes of the nearest neighbours."""

from __future__ import annotations

import math
import shutil

import pytest
import torch
from lightly.utils.benchmarking.knn import knn_predict

from tests.conftest import make_source
from texgen.core.errors import ConfigError
from texgen.evaluate.config import KnnConfig
from texgen.evaluate.features import open_labelled
from texgen.evaluate.knn import KnnClassifier, evaluate_knn, knn_votes


@pytest.fixture
def points():
    generator = torch.Generator().manual_seed(3)
    queries, bank = (torch.randn(n, 6, generator=generator) for n in (40, 60))
    return queries, bank, torch.randint(4, (60,), generator=generator)


def test_votes_are_those_of_a_slow_loop(points):
    queries, bank, labels = points
    votes = knn_votes(queries, bank, labels, 4, 7, 0.1)
    for query, row in zip(queries, votes, strict=True):
        near = sorted(
            (
                (float(torch.cosine_similarity(query, b, dim=0)), int(c))
                for b, c in zip(bank, labels, strict=True)
            ),
            reverse=True,
        )
        expected = torch.zeros(4)
        for cosine, label in near[:7]:
            expected[label] += math.exp(cosine / 0.1)
        assert row == pytest.approx(expected / expected.sum(), abs=1e-5)


def test_answers_are_lightlys(points):
    queries, bank, labels = points
    unit, their_bank = (torch.nn.functional.normalize(one, dim=1) for one in (queries, bank))
    theirs = knn_predict(unit, their_bank.T, labels, 4, knn_k=20, knn_t=0.1)
    assert torch.equal(knn_votes(queries, bank, labels, 4, 20, 0.1).argmax(1), theirs[:, 0])


def test_a_low_temperature_does_not_overflow(points):
    queries, bank, labels = points
    votes = knn_votes(queries, bank, labels, 4, 7, 0.001)
    assert torch.isfinite(votes).all()
    assert votes.sum(1) == pytest.approx(torch.ones(40))


def test_an_image_is_its_own_nearest_neighbour(image_folder, tiny_run):
    train = open_labelled(str(image_folder), "train")
    classifier = KnnClassifier(tiny_run, train, KnnConfig(k=1))
    assert evaluate_knn(tiny_run, classifier, train)["top1"] == 100.0


def test_more_neighbours_than_images_are_an_error(image_folder, tiny_run, points):
    train = open_labelled(str(image_folder), "train")
    with pytest.raises(ConfigError, match=r"--k 29: .* has 28 images"):
        KnnClassifier(tiny_run, train, KnnConfig(k=29))
    with pytest.raises(ConfigError, match="only 60"):
        knn_votes(*points, 4, 61, 0.1)


def test_images_of_a_class_that_was_not_learned_are_an_error(image_folder, tiny_run, tmp_path):
    shutil.copytree(image_folder / "val", tmp_path / "val")
    (tmp_path / "val" / "bee").rename(tmp_path / "val" / "emu")
    classifier = KnnClassifier(tiny_run, open_labelled(str(image_folder), "train"), KnnConfig(k=3))
    val = open_labelled(str(tmp_path), "val")
    with pytest.raises(ConfigError, match=r"\(val\) has classes that .* \(train\) has not: emu"):
        evaluate_knn(tiny_run, classifier, val)


def test_neighbours_of_one_class_are_no_question(tiny_run, tmp_path):
    make_source(tmp_path / "train", {"ant": 4}, (40, 40))
    ants = open_labelled(str(tmp_path), "train")
    with pytest.raises(ConfigError, match="has one class, so every answer would be right"):
        evaluate_knn(tiny_run, KnnClassifier(tiny_run, ants, KnnConfig(k=2)), ants)
