"""Classes in common, mappings, accuracies."""

from __future__ import annotations

import math

import pytest
import torch

from texgen.core.errors import ConfigError
from texgen.evaluate.classes import (
    accuracy,
    accuracy_per_class,
    correct_predictions,
    match_classes,
    read_mapping,
)


def test_only_classes_in_common_are_answers_and_count():
    right = match_classes("R", ["cat", "emu", "ant"], ["ant", "bee", "cat"])
    # Bee has the largest score, but is not a class of the set.
    scores = torch.tensor([[1.0, 9, 2], [5, 9, 1], [3, 9, 4], [0, 9, 8]])
    correct, labels = correct_predictions("R", scores, torch.tensor([0, 0, 2, 1]), right)
    assert correct.tolist() == [True, False, False]
    assert labels.tolist() == [0, 0, 2]


def test_a_mapping_may_give_a_class_several_answers(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("# theirs,ours\ndog, pug\ndog,collie  # another\n\ncat,cat\n")
    right = match_classes(
        "set", ["cat", "dog"], ["cat", "collie", "emu", "pug"], read_mapping(file)
    )
    assert right.tolist() == [[True, False, False, False], [False, True, False, True]]
    scores = torch.eye(4)
    correct, _ = correct_predictions("set", scores, torch.tensor([0, 1, 1, 1]), right)
    # Emu is not a possible answer. The others have equal scores, and the first, cat, wins.
    assert correct.tolist() == [True, True, False, True]


@pytest.mark.parametrize("text", ["dog\n", "dog,pug,collie\n", "dog,\n"])
def test_a_line_that_is_no_pair_is_named(text, tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("cat,cat\n" + text)
    with pytest.raises(ConfigError, match="line 2: expected two classes"):
        read_mapping(str(file))


def test_nothing_in_common_is_an_error_that_names_both():
    with pytest.raises(ConfigError, match=r"\(emu, …\).*\(ant, bee, …\).*mapping"):
        match_classes("set", ["emu"], ["ant", "bee"])
    with pytest.raises(ConfigError, match="set: no line of the mapping pairs one of its classes"):
        match_classes("set", ["emu"], ["ant", "bee"], [("emu", "bird"), ("eagle", "bee")])


def test_accuracies_are_percent_with_binomial_errors():
    correct = torch.tensor([True, True, True, False])
    found = accuracy(correct)
    assert found == {
        "accuracy": 75.0,
        "se": pytest.approx(100 * math.sqrt(0.75 * 0.25 / 4)),
        "images": 4,
    }
    each = accuracy_per_class(correct, torch.tensor([0, 0, 2, 2]), ("ant", "bee", "cat"))
    assert {name: one["accuracy"] for name, one in each.items()} == {"ant": 100.0, "cat": 50.0}


def test_no_image_of_a_class_in_common_is_an_error():
    right = match_classes("set", ["ant", "bee", "emu"], ["ant", "bee"])
    with pytest.raises(ConfigError, match="set: no image is of a class in common"):
        correct_predictions("set", torch.zeros(2, 2), torch.tensor([2, 2]), right)


def test_one_class_in_common_is_no_question():
    right = match_classes("set", ["ant", "emu"], ["ant", "bee"])
    with pytest.raises(ConfigError, match="set: has one class in common"):
        correct_predictions("set", torch.zeros(2, 2), torch.tensor([0, 1]), right)
