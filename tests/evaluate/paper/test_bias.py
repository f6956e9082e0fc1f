"""Shape against texture, textures alone, fine against coarse classes; all counted by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tests.conftest import synthetic_image
from tests.evaluate.conftest import Answers
from texgen.core.errors import ConfigError
from texgen.evaluate.features import TextureImages, open_folder, open_labelled, with_labels
from texgen.evaluate.paper.bias import (
    dogs,
    measure_fine_coarse,
    measure_shape_bias,
    measure_texture_accuracy,
)


def stimuli(root, names):
    for name in names:
        shape = name.rstrip("0123456789").partition("-")[0].rstrip("0123456789")
        (root / shape).mkdir(parents=True, exist_ok=True)
        synthetic_image(1, (32, 32)).save(root / shape / f"{name}.png")
    return open_folder(str(root))


def test_decisions_are_counted_where_shape_and_texture_differ(tmp_path, tiny_run):
    names = ["bear1-cat2", "bear2-bear1", "cat1-bear3", "cat2-dog1", "cat3-oven1", "dog1-cat1"]
    images = stimuli(tmp_path, names)
    # Scores are in the order of keys. bear2-bear1 (one category) and cat3-oven1 (no class is
    # an oven) are left out.
    given = [[1, 9, 2], [0, 0, 0], [2, 9, 1], [9, 1, 2], [0, 0, 0], [1, 2, 9]]
    scores = torch.tensor(given, dtype=torch.float32)
    answers = Answers(("bear", "cat", "dog"), scores[[0, 2, 3, 5]])
    found = measure_shape_bias(tiny_run, answers, images)
    # Answers: cat (the texture), cat (the shape), bear (neither), dog (the shape).
    assert [found[kind] for kind in ("shape", "texture", "other")] == [2, 1, 1]
    assert (found["stimuli"], found["left_out"]) == (4, 2)
    assert found["shape_bias"] == pytest.approx(200 / 3)
    assert found["se"] == pytest.approx(100 * math.sqrt(2 / 9 / 3))
    assert found["per_category"]["cat"] == {
        **{"shape": 1, "texture": 0, "other": 1, "stimuli": 2},
        **{"shape_bias": 100.0, "se": 0.0},
    }


def test_a_categorys_probability_is_the_mean_of_its_classes(tmp_path, tiny_run):
    images = stimuli(tmp_path, ["bear1-dog2"])
    # Two dogs of 0.3 each have a mean below the bear's 0.4, though a larger sum.
    answers = Answers(("grizzly", "pug", "collie"), torch.tensor([[0.4, 0.3, 0.3]]).log())
    mapping = [("bear", "grizzly"), ("dog", "pug"), ("dog", "collie")]
    assert measure_shape_bias(tiny_run, answers, images, mapping)["shape"] == 1


def test_no_decision_for_either_is_no_bias(tmp_path, tiny_run):
    images = stimuli(tmp_path, ["bear1-dog2", "cat1-dog2"])
    answers = Answers(("bear", "cat", "dog"), torch.tensor([[0.0, 9, 0], [9, 0, 0]]))
    found = measure_shape_bias(tiny_run, answers, images)
    assert found["other"] == 2
    assert found["shape_bias"] is None


def test_stimuli_named_otherwise_are_an_error(tmp_path, tiny_run):
    images = stimuli(tmp_path, ["bear1-dog2", "bear"])
    with pytest.raises(ConfigError, match="bear/bear is not named like a stimulus"):
        measure_shape_bias(tiny_run, Answers(("bear", "dog"), torch.zeros(2, 2)), images)


def test_stimuli_of_one_category_are_an_error(tmp_path, tiny_run):
    images = stimuli(tmp_path, ["bear1-oven2"])
    with pytest.raises(ConfigError, match="no stimulus has"):
        measure_shape_bias(tiny_run, Answers(("bear", "dog"), torch.zeros(1, 2)), images)


def test_textures_count_by_class(textures, tiny_run):
    images = with_labels("textures", TextureImages(str(textures), "val"))
    scores = torch.tensor([[1.0, 0, 0]] * 4 + [[0, 1, 0]] * 8)
    found = measure_texture_accuracy(tiny_run, Answers(("ant", "bee", "cat"), scores), images)
    # One of five ants is classified as a bee, all four bees are right, all three cats are bees.
    each = {name: one["accuracy"] for name, one in found["per_class"].items()}
    assert each == {"ant": 80.0, "bee": 100.0, "cat": 0.0}
    assert found["accuracy"] == pytest.approx(100 * 8 / 12)
    assert found["chance"] == pytest.approx(100 / 3)


def test_coarse_is_right_more_often_than_fine(image_folder, tiny_run):
    images = open_labelled(str(image_folder), "val")
    # Five ants and four bees are insects; three cats are left out. Ants are all taken for bees.
    scores = torch.tensor([[0, 1.0, 0]] * 8 + [[0, 0, 1.0]] * 4)
    mapping = [("ant", "insect"), ("bee", "insect")]
    answers = Answers(("ant", "bee", "cat"), scores)
    found = measure_fine_coarse(tiny_run, answers, images, mapping)
    assert found["fine"]["accuracy"] == pytest.approx(100 * 3 / 9)
    assert found["coarse"]["accuracy"] == pytest.approx(100 * 8 / 9)
    assert found["left_out"] == 3
    assert found["per_group"]["insect"]["classes"] == 2


def test_dogs_are_a_range_of_imagenets_classes():
    classes = ("n02085620", "n02085619", "n02113978", "n02113979", "n02106662")
    assert [one for one, _ in dogs(classes)] == ["n02085620", "n02113978", "n02106662"]
    with pytest.raises(ConfigError, match="no class is one of ImageNet's dogs"):
        dogs(("ant",))


def test_a_mapping_of_other_classes_is_an_error(image_folder, tiny_run):
    images = open_labelled(str(image_folder), "val")
    answers = Answers(("ant", "bee", "cat"), torch.zeros(12, 3))
    with pytest.raises(ConfigError, match="stands first"):
        measure_fine_coarse(tiny_run, answers, images, [("emu", "bird")])


def test_a_class_in_two_coarse_ones_is_an_error(image_folder, tiny_run):
    images = open_labelled(str(image_folder), "val")
    answers = Answers(("ant", "bee", "cat"), torch.zeros(12, 3))
    with pytest.raises(ConfigError, match="ant is insect in one line and mammal in another"):
        measure_fine_coarse(tiny_run, answers, images, [("ant", "insect"), ("ant", "mammal")])
