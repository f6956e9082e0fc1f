"""Cosines of encoders whose cosines are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.evaluate.conftest import Pixels
from texgen.core.errors import ConfigError
from texgen.dataset.random_access import TextureStore
from texgen.evaluate.config import SimilarityConfig
from texgen.evaluate.paper.similarity import measure_similarity, relative_hardness
from texgen.evaluate.run import encoder_fingerprint, open_run
from texgen.train.images import open_images


@pytest.fixture
def train(image_folder):
    return open_images(str(image_folder), "train")


def means(found, mode="eval"):
    return {name: one["mean"] for name, one in found[mode]["cosines"].items()}


def test_a_patch_as_large_as_the_image_is_the_query_itself(train, run_of):
    config = SimilarityConfig(images=16, batch=8, patch_range=(32, 32))
    found = measure_similarity(run_of(Pixels()), train, None, config)
    assert means(found)["patch"] == pytest.approx(1.0)
    assert means(found)["positive"] < 0.99
    # Such a negative is harder than a positive.
    assert found["eval"]["rel"]["patch"]["value"] > 1
    assert "texture" not in found["eval"]["cosines"]


class Constant(nn.Module):
    def forward(self, images):
        return torch.ones(len(images), 4)


def test_a_constant_encoder_is_reported_as_collapsed(train, run_of):
    with pytest.raises(ConfigError, match="the encoder has collapsed"):
        measure_similarity(run_of(Constant()), train, None, SimilarityConfig(16, 8, (8, 16)))


def test_textures_are_measured_if_they_are_given(train, textures, tiny_run):
    config = SimilarityConfig(16, 8, (8, 16))
    found = measure_similarity(tiny_run, train, TextureStore(textures), config)
    for mode in ("eval", "batch"):
        assert set(means(found, mode)) == {"positive", "negative", "patch", "texture"}
        assert set(found[mode]["rel"]) == {"patch", "texture"}


class Brightness(nn.Module):
    """Gives opposite directions for dark and light images, after batch normalisation."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1, affine=False)

    def forward(self, images):
        one = self.norm(images.mean((1, 2, 3))[:, None])
        return torch.cat([one, torch.full_like(one, 0.01)], 1)


def test_batch_statistics_differ_from_running_ones_and_stay_out_of_them(train, run_of):
    encoder = Brightness().eval()
    # By these running statistics, all images are light.
    encoder.norm.running_mean.fill_(-5.0)
    before = encoder_fingerprint(encoder)
    config = SimilarityConfig(images=24, batch=8, patch_range=(8, 16))
    found = measure_similarity(run_of(encoder), train, None, config)
    assert encoder_fingerprint(encoder) == before
    assert not encoder.training
    assert encoder.norm.track_running_stats
    assert means(found)["negative"] == pytest.approx(1.0, abs=1e-3)
    assert means(found, "batch")["negative"] < 0.5


def test_counts_are_of_all_images_and_of_all_pairs(train, tiny_run):
    config = SimilarityConfig(images=20, batch=8, patch_range=(8, 16))
    found = measure_similarity(tiny_run, train, None, config)
    # Only full batches count.
    assert (found["images"], found["batch_size"]) == (16, 8)
    counts = {name: sum(one["counts"]) for name, one in found["eval"]["cosines"].items()}
    assert counts == {"positive": 16, "negative": 2 * 8 * 7, "patch": 16}


def test_embeddings_are_of_the_head(train, trained):
    run = open_run(str(trained), "cpu", head=True)
    seen = []
    run.encoder.register_forward_hook(lambda module, given, out: seen.append(out.shape[1]))
    measure_similarity(run, train, None, SimilarityConfig(8, 8, (8, 16)))
    assert set(seen) == {128}


def test_the_same_seed_gives_the_same(train, tiny_run):
    config = SimilarityConfig(images=8, batch=8, patch_range=(8, 16), seed=3)
    first, second = (measure_similarity(tiny_run, train, None, config) for _ in range(2))
    assert first == second


def test_relative_hardness_and_its_error_are_those_of_a_slow_jackknife():
    rng = np.random.default_rng(0)
    positive, negative, ns = (rng.normal(m, 0.1, 30) for m in (0.8, 0.1, 0.3))

    def rel(keep):
        p, n, s = (one[keep].mean() for one in (positive, negative, ns))
        return (s - n) / (p - n)

    without = np.array([rel(np.arange(30) != one) for one in range(30)])
    found = relative_hardness(positive, negative, ns)
    assert found["value"] == pytest.approx(rel(np.arange(30)))
    assert found["se"] == pytest.approx(np.sqrt(29 / 30 * ((without - without.mean()) ** 2).sum()))


def test_one_image_is_too_few(train, tiny_run):
    with pytest.raises(ConfigError, match="at least two images"):
        measure_similarity(tiny_run, train, None, SimilarityConfig(1, 8, (8, 16)))
